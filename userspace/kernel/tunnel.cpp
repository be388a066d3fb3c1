// SPDX-License-Identifier: MIT
// Our programs on tunnels: by tcx links that are pinned, or by clsact filters of which the pinned programs
// are the record.
#include <bpf/bpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "kernel/clsact.h"
#include "kernel/keeper.h"
#include "kernel/map.h"
#include "kernel/rtnl.h"
#include "kernel/state_impl.h"
#include "kernel/sys.h"
#include "kernel/tcx.h"

namespace lk {

namespace {

constexpr const char *tunnels_map_name = "lk_tunnels";

Result<Map<__u32, lk_tunnel>> open_tunnels(const Pins &pins) {
    return Map<__u32, lk_tunnel>::open(pins.maps(), tunnels_map_name, BPF_MAP_TYPE_HASH, LK_TUNNELS);
}

struct Side {
    Direction direction;
    const char *program;
};
constexpr Side sides[] = {{Direction::ingress, tunnel_in_program}, {Direction::egress, tunnel_out_program}};

std::string pin_of(const Pins &pins, const Side &side, int ifindex) {
    return pins.tunnel_link(side.direction == Direction::ingress, ifindex);
}

// What the pin stands for: a tcx link, or the program that is a filter in clsact.
enum class Hold { none, tcx, clsact };

Hold hold_of(const Pins &pins, const Side &side, int ifindex, const Program &program) {
    const auto opened = open_pin(pin_of(pins, side, ifindex));
    if (opened.error != 0) return Hold::none;
    if (const auto info = tcx_link_info(opened.fd.get()))
        return info->target == static_cast<std::uint64_t>(ifindex) && info->program_id == program.id
                   ? Hold::tcx
                   : Hold::none;
    const auto rtnl = Rtnl::open();
    if (!rtnl) return Hold::none;
    const auto filters = rtnl->filters(ifindex, clsact_parent(side.direction));
    if (!filters) return Hold::none;
    return std::ranges::find(*filters, program.id, &TcObject::bpf_id) != filters->end() ? Hold::clsact
                                                                                        : Hold::none;
}

Result<void> drop(const std::string &path) {
    // Detached by hand as well: another process may hold the link open.
    if (const auto opened = open_pin(path); opened.error == 0) bpf_link_detach(opened.fd.get());
    return remove_pin(path);
}

Result<void> pin(int fd, const std::string &path) {
    if (bpf_obj_pin(fd, path.c_str()) != 0) return system_error("cannot pin " + path, errno);
    return {};
}

Result<void> attach_side(const Pins &pins, int ifindex, const Side &side, const Program &program) {
    if (hold_of(pins, side, ifindex, program) != Hold::none) return {};
    const auto path = pin_of(pins, side, ifindex);
    if (const auto opened = open_pin(path); opened.error == 0) { // of an older build: one follows the other
        const auto info = tcx_link_info(opened.fd.get());
        if (info && info->target == static_cast<std::uint64_t>(ifindex) &&
            bpf_link_update(opened.fd.get(), program.fd.get(), nullptr) == 0)
            return {};
    }
    if (auto dropped = drop(path); !dropped) return dropped;
    const int created = tcx::create_link(program.fd.get(), ifindex,
                                         side.direction == Direction::ingress ? tcx::ingress : tcx::egress);
    if (created >= 0) return pin(Fd{created}.get(), path);
    if (created != -EINVAL)
        return system_error(fmt::format("cannot attach to the tunnel {} by tcx", ifindex), -created);
    if (auto pinned = pin(program.fd.get(), path); !pinned) return pinned;
    return attach_clsact(
        ifindex, program.fd.get(), [&] { return make_directory(pins.clsact_qdisc(ifindex)); }, side.direction,
        side.program);
}

Result<void> drop_filters(const Pins &pins, int ifindex) {
    for (const auto &side : sides) {
        auto dropped = detach_clsact(
            ifindex, [&side](const TcObject &filter) { return is_named(filter, side.program); },
            side.direction);
        if (!dropped) return dropped;
    }
    if (!path_exists(pins.clsact_qdisc(ifindex)) || path_exists(pins.clsact(ifindex))) return {};
    if (auto removed = remove_empty_clsact(ifindex); !removed) return removed;
    return remove_tree(pins.clsact_qdisc(ifindex));
}

// What the programs must know of a device before they run on it.
Result<void> note_device(const Pins &pins, int ifindex, bool ethernet) {
    const auto map = open_tunnels(pins);
    if (!map) return map.error();
    const lk_tunnel tunnel{.ethernet = ethernet};
    return map->put(static_cast<__u32>(ifindex), tunnel);
}

} // namespace

Result<void> State::attach_tunnel(int ifindex, bool ethernet) {
    if (auto here = check_namespace(impl_->place.netns_cookie); !here) return here;
    if (auto fresh = impl_->refresh(); !fresh) return fresh;
    auto loaded = want_tunnel_programs(impl_->pins, impl_->maps.word.raw().id(), impl_->programs);
    if (!loaded) return loaded;
    const Keeper keeper{impl_->pins};
    if (auto noted = note_device(impl_->pins, ifindex, ethernet); !noted) return noted;
    for (const auto &side : sides)
        if (auto done = attach_side(impl_->pins, ifindex, side, impl_->program(side.program)); !done)
            return done;
    return impl_->tell_links_guard();
}

Result<void> State::detach_tunnel(int ifindex) {
    if (auto here = check_namespace(impl_->place.netns_cookie); !here) return here;
    const Keeper keeper{impl_->pins};
    if (!tcx::available())
        if (auto dropped = drop_filters(impl_->pins, ifindex); !dropped) return dropped;
    for (const auto &side : sides)
        if (auto dropped = drop(pin_of(impl_->pins, side, ifindex)); !dropped) return dropped;
    if (!path_exists(impl_->pins.maps() + "/" + tunnels_map_name)) return {};
    const auto map = open_tunnels(impl_->pins);
    if (!map) return map.error();
    return map->erase_all({static_cast<__u32>(ifindex)});
}

bool State::tunnel_alive(int ifindex) const {
    return std::ranges::all_of(sides, [&](const Side &side) {
        return impl_->programs.contains(side.program) &&
               hold_of(impl_->pins, side, ifindex, impl_->program(side.program)) != Hold::none;
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
