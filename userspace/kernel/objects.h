// SPDX-License-Identifier: MIT
// The BPF objects embedded in this executable, as bytes.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace lk {

struct EmbeddedObject {
    const char *name;
    std::span<const std::uint8_t> bytes;
    // The same programs and maps for kernels that show their own structures to them; empty: there is no such
    // variant. Whether the running kernel takes it is found out by loading it.
    std::span<const std::uint8_t> exact{};
};
// The uplink's first. Every kernel must take these.
std::array<EmbeddedObject, 2> embedded_objects();
EmbeddedObject tunnel_object(); // loaded where there is a tunnel that leads to a resolver
EmbeddedObject serve_object();  // loaded where an uplink has services
// The second gate's, of which one is loaded: the first needs BTF and netfilter links.
EmbeddedObject gate_object();
EmbeddedObject gate_cgroup_object();
EmbeddedObject compat_object(); // these two need BTF
EmbeddedObject lsm_object();
EmbeddedObject scope_object();  // policies of cgroups; needs BTF, and has maps of its own
EmbeddedObject frames_object(); // beside it, over its maps, where a container has a link to judge

// Tell builds apart, no more. DIGEST: of the objects before it.
constexpr std::uint64_t no_digest = 0xcbf29ce484222325;
std::uint64_t digest_of(const EmbeddedObject &object, std::uint64_t digest = no_digest);
std::uint64_t embedded_digest(); // of all that belong to a network namespace

} // namespace lk
