// SPDX-License-Identifier: MIT
#include "kernel/lost.h"

#include <bpf/bpf.h>

#include <map>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "kernel/map.h"
#include "kernel/programs.h"
#include "kernel/rtnl.h"
#include "kernel/sys.h"
#include "kernel/tcx.h"
#include "leakbpf/abi.h"

namespace lk {

namespace {

using End = std::function<void(int link)>;

bool is_for_devices(std::string_view program) {
    return program == uplink_program || program == tunnel_in_program || program == tunnel_out_program;
}

// All our programs but the tunnels' say in a map which network namespace they are for.
bool serves(const ProgramInfo &program, std::uint64_t netns_cookie) {
    for (const std::uint32_t id : program.map_ids) {
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

// Whether the program is none for devices and serves the namespace. Remembered, since one has many links.
class Served {
  public:
    explicit Served(std::uint64_t netns_cookie) : netns_cookie_(netns_cookie) {}
    bool operator()(std::uint32_t program_id) {
        const auto [known, is_new] = known_.try_emplace(program_id, false);
        if (!is_new) return known->second;
        const Fd program{bpf_prog_get_fd_by_id(program_id)};
        const auto info = program ? program_info(program.get()) : std::nullopt;
        known->second = info && info->name.starts_with("lk_") && !is_for_devices(info->name) &&
                        serves(*info, netns_cookie_);
        return known->second;
    }

  private:
    std::uint64_t netns_cookie_;
    std::map<std::uint32_t, bool> known_;
};

// An ifindex means nothing outside its network namespace, so the devices are asked and not the links.
Result<void> for_each_on_devices(const End &end) {
    auto rtnl = Rtnl::open();
    if (!rtnl) return rtnl.error();
    const auto devices = rtnl->links();
    if (!devices) return devices.error();
    for (const int ifindex : *devices)
        for (const __u32 direction : {tcx::egress, tcx::ingress})
            for (const auto &entry : tcx::chain(ifindex, direction).value_or(std::vector<tcx::Entry>{})) {
                if (entry.link_id == 0 || !is_for_devices(program_name(entry.program_id))) continue;
                if (const Fd link{bpf_link_get_fd_by_id(entry.link_id)}) end(link.get());
            }
    return {};
}

} // namespace

Result<void> for_each_living_link(std::uint64_t netns_cookie, const End &end) {
    Served served(netns_cookie);
    for (__u32 id = 0; bpf_link_get_next_id(id, &id) == 0;) {
        const Fd link{bpf_link_get_fd_by_id(id)};
        const auto info = link ? link_info(link.get()) : std::nullopt;
        if (info && info->program_id != 0 && served(info->program_id)) end(link.get());
    }
    return for_each_on_devices(end);
}

} // namespace lk
