// SPDX-License-Identifier: MIT
// Our programs on tunnels: by tcx links that are pinned, or by clsact filters of which the pinned programs
// are the record.
#include <algorithm>
#include <array>

#include "kernel/keeper.h"
#include "kernel/map.h"
#include "kernel/side.h"
#include "kernel/state_impl.h"
#include "kernel/sys.h"
#include "kernel/tcx.h"

namespace lk {

namespace {

constexpr const char *tunnels_map_name = "lk_tunnels";

Result<Map<__u32, lk_tunnel>> open_tunnels(const Pins &pins) {
    return Map<__u32, lk_tunnel>::open(pins.maps(), tunnels_map_name, BPF_MAP_TYPE_HASH, LK_TUNNELS);
}

std::array<Side, 2> sides(const Pins &pins, int ifindex) {
    return {{{Direction::ingress, tunnel_in_program, pins.tunnel_link(true, ifindex)},
             {Direction::egress, tunnel_out_program, pins.tunnel_link(false, ifindex)}}};
}

// What the programs must know of a device before they run on it.
Result<void> note_device(const Pins &pins, int ifindex, bool ethernet) {
    const auto map = open_tunnels(pins);
    if (!map) return map.error();
    const lk_tunnel tunnel{.ethernet = ethernet};
    return map->put(static_cast<__u32>(ifindex), tunnel);
}

} // namespace

Result<void> State::load_tunnel_programs() {
    if (auto fresh = impl_->refresh(); !fresh) return fresh;
    return want_tunnel_programs(impl_->pins, impl_->maps.word.raw().id(), impl_->programs);
}

Result<void> State::attach_tunnel(int ifindex, bool ethernet) {
    if (auto here = check_namespace(impl_->place.netns_cookie); !here) return here;
    if (auto loaded = load_tunnel_programs(); !loaded) return loaded;
    const Keeper keeper{impl_->pins};
    if (auto told = impl_->tell_links_guard(); !told) return told; // before there is a link
    if (auto noted = note_device(impl_->pins, ifindex, ethernet); !noted) return noted;
    for (const auto &side : sides(impl_->pins, ifindex))
        if (auto done = attach_side(impl_->pins, ifindex, side, impl_->program(side.program)); !done)
            return done;
    return {};
}

Result<void> State::detach_tunnel(int ifindex) {
    if (auto here = check_namespace(impl_->place.netns_cookie); !here) return here;
    const Keeper keeper{impl_->pins};
    for (const auto &side : sides(impl_->pins, ifindex))
        if (auto dropped = detach_side(ifindex, side); !dropped) return dropped;
    if (!tcx::available())
        if (auto dropped = drop_own_qdisc(impl_->pins, ifindex); !dropped) return dropped;
    if (!path_exists(impl_->pins.maps() + "/" + tunnels_map_name)) return {};
    const auto map = open_tunnels(impl_->pins);
    if (!map) return map.error();
    return map->erase_all({static_cast<__u32>(ifindex)});
}

bool State::tunnel_alive(int ifindex) const {
    return std::ranges::all_of(sides(impl_->pins, ifindex), [&](const Side &side) {
        return impl_->programs.contains(side.program) && is_on(side, ifindex, impl_->program(side.program));
    });
}

std::vector<int> State::tunnels() const {
    auto found = pinned_ifindexes(impl_->pins.links(), "tunnelin");
    for (const int ifindex : pinned_ifindexes(impl_->pins.links(), "tunnelout"))
        if (std::find(found.begin(), found.end(), ifindex) == found.end()) found.push_back(ifindex);
    std::sort(found.begin(), found.end());
    return found;
}

} // namespace lk
