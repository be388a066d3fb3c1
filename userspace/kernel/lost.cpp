// SPDX-License-Identifier: MIT
#include "kernel/lost.h"

#include <bpf/bpf.h>

#include <array>
#include <string_view>

#include "kernel/map.h"
#include "kernel/programs.h"
#include "kernel/rtnl.h"
#include "kernel/sys.h"
#include "kernel/tcx.h"
#include "leakbpf/abi.h"

namespace lk {

namespace {

bool names_ours(std::string_view program) {
    return program == uplink_program || program == tunnel_in_program || program == tunnel_out_program;
}

// An ifindex means nothing outside its network namespace, so the devices are asked and not the links.
Result<void> add_device_links(std::vector<Fd> &links) {
    auto rtnl = Rtnl::open();
    if (!rtnl) return rtnl.error();
    const auto devices = rtnl->links();
    if (!devices) return devices.error();
    for (const int ifindex : *devices)
        for (const __u32 direction : {tcx::egress, tcx::ingress})
            for (const auto &entry : tcx::chain(ifindex, direction).value_or(std::vector<tcx::Entry>{})) {
                if (entry.link_id == 0 || !names_ours(program_name(entry.program_id))) continue;
                if (Fd link{bpf_link_get_fd_by_id(entry.link_id)}) links.push_back(std::move(link));
            }
    return {};
}

// Socket hooks and guards say in a map which network namespace they are for.
bool serves(std::uint32_t program_id, std::uint64_t netns_cookie) {
    const Fd program{bpf_prog_get_fd_by_id(program_id)};
    const auto info = program ? program_info(program.get()) : std::nullopt;
    if (!info || !info->name.starts_with("lk_")) return false;
    for (const std::uint32_t id : info->map_ids) {
        const auto hosts =
            RawMap::open_by_id(id, {"lk_hosts", BPF_MAP_TYPE_ARRAY, sizeof(__u32), sizeof(lk_host), 2});
        if (!hosts) continue;
        for (const __u32 half : {0u, 1u}) {
            lk_host host{};
            if (hosts->lookup(&half, &host) && host.netns_cookie == netns_cookie) return true;
        }
    }
    return false;
}

} // namespace

Result<std::vector<Fd>> living_links(std::uint64_t netns_cookie) {
    std::vector<Fd> links;
    for (__u32 id = 0; bpf_link_get_next_id(id, &id) == 0;) {
        Fd link{bpf_link_get_fd_by_id(id)};
        const auto info = link ? link_info(link.get()) : std::nullopt;
        if (info && info->program_id != 0 && serves(info->program_id, netns_cookie))
            links.push_back(std::move(link));
    }
    // The order in which they are to end: what opens the wire last.
    if (auto added = add_device_links(links); !added) return added.error();
    return links;
}

} // namespace lk
