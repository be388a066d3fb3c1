// SPDX-License-Identifier: MIT
// The tcx part of the kernel's BPF interface (Linux 6.6). Debian 12's headers (6.1) and libbpf 1.1 lack it,
// so its constants and structures are here, and nowhere else.
#pragma once

#include <linux/types.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace lk::tcx {

constexpr __u32 ingress = 46;     // BPF_TCX_INGRESS
constexpr __u32 egress = 47;      // BPF_TCX_EGRESS
constexpr __u32 before = 1u << 3; // BPF_F_BEFORE; with no relative: at the head of the chain
constexpr __u32 link_type = 11;   // BPF_LINK_TYPE_TCX

// bpf_link_info of a tcx link.
struct LinkInfo {
    __u32 type;
    __u32 id;
    __u32 program_id;
    __u32 pad;
    __u32 ifindex; // 0: the device is gone
    __u32 attach_type;
};
static_assert(sizeof(LinkInfo) == 24);

// A link of PROGRAM_FD at the head of the device's chain (egress or ingress): its descriptor, or -errno.
// EINVAL: a kernel without tcx.
int create_link(int program_fd, int ifindex, __u32 chain = egress);

// Whether this kernel has tcx.
bool available();

struct Entry {
    std::uint32_t program_id = 0;
    std::uint32_t link_id = 0; // 0: attached without a link
};
// The program that runs first on the device's egress; 0: none that could be read, as on a kernel without tcx.
// None: there is no such device. Cheaper than chain().
std::optional<std::uint32_t> first(int ifindex);
// The device's chain in the order in which it runs; empty on a kernel without tcx. None: the chain could not
// be read.
std::optional<std::vector<Entry>> chain(int ifindex, __u32 direction = egress);

} // namespace lk::tcx
