// SPDX-License-Identifier: MIT
#include "kernel/objects.h"

#include <bpf/libbpf.h>
#include <cerrno>
#include <cstdlib>

namespace lk {

namespace skeleton {
// In a namespace of their own: the skeleton's struct lk_cgroup is not that of leakbpf/abi.h.
#include "cgroup.skel.h"
#include "compat.skel.h"
#include "frames.skel.h"
#include "gate.skel.h"
#include "gate_cgroup.skel.h"
#include "lsm.skel.h"
#include "scope.skel.h"
#include "serve.skel.h"
#include "tunnel.skel.h"
#include "uplink.skel.h"
#include "uplink_exact.skel.h"
} // namespace skeleton

namespace {

// ELF_BYTES: the function of a skeleton that tells where its object lies.
std::span<const std::uint8_t> bytes(const void *(*elf_bytes)(std::size_t *)) {
    std::size_t size = 0;
    const void *data = elf_bytes(&size);
    return {static_cast<const std::uint8_t *>(data), size};
}

} // namespace

std::array<EmbeddedObject, 2> embedded_objects() {
    return {
        {{"lk_uplink", bytes(skeleton::lk_uplink__elf_bytes), bytes(skeleton::lk_uplink_exact__elf_bytes)},
         {"lk_cgroup", bytes(skeleton::lk_cgroup__elf_bytes)}}};
}

EmbeddedObject tunnel_object() {
    return {"lk_tunnel", bytes(skeleton::lk_tunnel__elf_bytes)};
}

EmbeddedObject serve_object() {
    return {"lk_serve", bytes(skeleton::lk_serve__elf_bytes)};
}

EmbeddedObject gate_object() {
    return {"lk_gate", bytes(skeleton::lk_gate__elf_bytes)};
}

EmbeddedObject gate_cgroup_object() {
    return {"lk_gate_cgroup", bytes(skeleton::lk_gate_cgroup__elf_bytes)};
}

EmbeddedObject compat_object() {
    return {"lk_compat", bytes(skeleton::lk_compat__elf_bytes)};
}

EmbeddedObject lsm_object() {
    return {"lk_lsm", bytes(skeleton::lk_lsm__elf_bytes)};
}

EmbeddedObject scope_object() {
    return {"lk_scope", bytes(skeleton::lk_scope__elf_bytes)};
}

EmbeddedObject frames_object() {
    return {"lk_frames", bytes(skeleton::lk_frames__elf_bytes)};
}

std::uint64_t digest_of(const EmbeddedObject &object, std::uint64_t digest) {
    for (const auto &part : {object.bytes, object.exact})
        for (const auto byte : part)
            digest = (digest ^ byte) * 0x100000001b3; // FNV-1a
    return digest;
}

namespace {

std::uint64_t digest_of_all() {
    std::uint64_t digest = no_digest;
    const auto add = [&digest](const EmbeddedObject &object) { digest = digest_of(object, digest); };
    for (const auto &object : embedded_objects())
        add(object);
    add(tunnel_object());
    add(serve_object());
    add(gate_object());
    add(gate_cgroup_object());
    add(compat_object());
    add(lsm_object());
    return digest;
}

} // namespace

std::uint64_t embedded_digest() {
    static const std::uint64_t digest = digest_of_all();
    return digest;
}

} // namespace lk
