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
#include "gate.skel.h"
#include "gate_cgroup.skel.h"
#include "lsm.skel.h"
#include "tunnel.skel.h"
#include "uplink.skel.h"
#include "uplink_exact.skel.h"
} // namespace skeleton

namespace {

std::span<const std::uint8_t> bytes(const void *data, std::size_t size) {
    return {static_cast<const std::uint8_t *>(data), size};
}

} // namespace

std::array<EmbeddedObject, 2> embedded_objects() {
    std::size_t uplink_size = 0, exact_size = 0, cgroup_size = 0;
    const void *uplink = skeleton::lk_uplink__elf_bytes(&uplink_size);
    const void *exact = skeleton::lk_uplink_exact__elf_bytes(&exact_size);
    const void *cgroup = skeleton::lk_cgroup__elf_bytes(&cgroup_size);
    return {{{"lk_uplink", bytes(uplink, uplink_size), bytes(exact, exact_size)},
             {"lk_cgroup", bytes(cgroup, cgroup_size)}}};
}

EmbeddedObject tunnel_object() {
    std::size_t size = 0;
    const void *tunnel = skeleton::lk_tunnel__elf_bytes(&size);
    return {"lk_tunnel", bytes(tunnel, size)};
}

EmbeddedObject gate_object() {
    std::size_t size = 0;
    const void *gate = skeleton::lk_gate__elf_bytes(&size);
    return {"lk_gate", bytes(gate, size)};
}

EmbeddedObject gate_cgroup_object() {
    std::size_t size = 0;
    const void *gate = skeleton::lk_gate_cgroup__elf_bytes(&size);
    return {"lk_gate_cgroup", bytes(gate, size)};
}

EmbeddedObject compat_object() {
    std::size_t size = 0;
    const void *compat = skeleton::lk_compat__elf_bytes(&size);
    return {"lk_compat", bytes(compat, size)};
}

EmbeddedObject lsm_object() {
    std::size_t size = 0;
    const void *lsm = skeleton::lk_lsm__elf_bytes(&size);
    return {"lk_lsm", bytes(lsm, size)};
}

std::uint64_t embedded_digest() {
    std::uint64_t digest = 0xcbf29ce484222325; // FNV-1a
    const auto add = [&digest](const EmbeddedObject &object) {
        for (const auto &part : {object.bytes, object.exact})
            for (const auto byte : part)
                digest = (digest ^ byte) * 0x100000001b3;
    };
    for (const auto &object : embedded_objects())
        add(object);
    add(tunnel_object());
    add(gate_object());
    add(gate_cgroup_object());
    add(compat_object());
    add(lsm_object());
    return digest;
}

} // namespace lk
