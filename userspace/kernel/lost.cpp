// SPDX-License-Identifier: MIT
#include "kernel/lost.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "kernel/keeper.h"
#include "kernel/map.h"
#include "kernel/programs.h"
#include "kernel/rtnl.h"
#include "kernel/sys.h"
#include "kernel/tcx.h"
#include "leakbpf/abi.h"

namespace lk {

namespace {

constexpr MapShape hosts_shape{"lk_hosts", BPF_MAP_TYPE_ARRAY, sizeof(__u32), sizeof(lk_host), 2};
constexpr MapShape guard_shape{guard_map_name, BPF_MAP_TYPE_ARRAY, sizeof(__u32), sizeof(lk_guard), 1};
constexpr __u32 halves[] = {0, 1};

bool is_for_devices(std::string_view program) {
    return program == uplink_program || program == tunnel_in_program || program == tunnel_out_program ||
           program == serve_program;
}

bool is_named(const RawMap &map, std::string_view name) {
    const auto object = identify(map.fd());
    return object && object->name == name;
}

// The programs for one network namespace, which they have from the map of the host records; the uplinks' have
// no such map.
class Serving {
  public:
    explicit Serving(std::uint64_t netns_cookie) : netns_cookie_(netns_cookie) {
        for (__u32 id = 0; bpf_map_get_next_id(id, &id) == 0;)
            if (auto map = RawMap::open_by_id(id, hosts_shape);
                map && is_named(*map, hosts_shape.name) && serves(*map))
                hosts_.emplace(id, *std::move(map));
    }

    // Remembered, since one program has many links.
    bool operator()(std::uint32_t program_id) {
        const auto [known, is_new] = programs_.try_emplace(program_id, false);
        if (!is_new) return known->second;
        const Fd program{bpf_prog_get_fd_by_id(program_id)};
        const auto info = program ? program_info(program.get()) : std::nullopt;
        known->second = info && std::ranges::any_of(info->map_ids,
                                                    [this](std::uint32_t id) { return hosts_.contains(id); });
        return known->second;
    }

    void forget_records() const {
        for (const auto &[id, map] : hosts_)
            for (const __u32 half : halves) {
                const lk_host none{};
                if (!map.put(&half, &none)) break; // its last user is gone
            }
    }

  private:
    bool serves(const RawMap &hosts) const {
        return std::ranges::any_of(halves, [&](__u32 half) {
            lk_host host{};
            return hosts.lookup(&half, &host) && host.netns_cookie == netns_cookie_;
        });
    }

    std::uint64_t netns_cookie_;
    std::map<std::uint32_t, RawMap> hosts_;
    std::map<std::uint32_t, bool> programs_;
};

// Where a security hook keeps everybody from the links: who may change them, until this goes.
std::vector<Keeper> keepers_of(Serving &serving) {
    std::vector<Keeper> keepers;
    for (__u32 id = 0; bpf_map_get_next_id(id, &id) == 0;) {
        const auto map = RawMap::open_by_id(id, guard_shape);
        const __u32 zero = 0;
        lk_guard guard{};
        if (!map || !is_named(*map, guard_shape.name) || !map->lookup(&zero, &guard)) continue;
        const std::span programs(guard.programs, std::min<__u32>(guard.n_programs, LK_GUARD_PROGRAMS));
        if (std::ranges::any_of(programs, [&](__u32 program) { return serving(program); }))
            keepers.emplace_back(Fd{bpf_map_get_fd_by_id(id)});
    }
    return keepers;
}

class Detacher {
  public:
    void operator()(const Fd &link) {
        if (bpf_link_detach(link.get()) == 0 || errno == ENOLINK || errno == EOPNOTSUPP) return;
        if (result_)
            result_ = system_error("cannot detach a link of the filter that is pinned nowhere", errno);
    }
    const Result<void> &result() const { return result_; }

  private:
    Result<void> result_;
};

// An ifindex means nothing outside its network namespace, so the devices are asked and not the links.
Result<void> end_on_devices(Detacher &detach) {
    auto rtnl = Rtnl::open();
    if (!rtnl) return rtnl.error();
    const auto devices = rtnl->links();
    if (!devices) return devices.error();
    for (const int ifindex : *devices)
        for (const __u32 direction : {tcx::egress, tcx::ingress})
            for (const auto &entry : tcx::chain(ifindex, direction).value_or(std::vector<tcx::Entry>{})) {
                if (entry.link_id == 0 || !is_for_devices(program_name(entry.program_id))) continue;
                if (const Fd link{bpf_link_get_fd_by_id(entry.link_id)}) detach(link);
            }
    return {};
}

} // namespace

// One descriptor of a link is open at a time: there may be more links than descriptors.
Result<void> end_living_links(std::uint64_t netns_cookie) {
    Serving serving(netns_cookie);
    const std::vector<Keeper> keepers = keepers_of(serving);
    Detacher detach;
    for (__u32 id = 0; bpf_link_get_next_id(id, &id) == 0;) {
        const Fd link{bpf_link_get_fd_by_id(id)};
        const auto info = link ? link_info(link.get()) : std::nullopt;
        if (info && serving(info->program_id)) detach(link);
    }
    if (auto done = end_on_devices(detach); !done) return done;
    serving.forget_records();
    return detach.result();
}

} // namespace lk
