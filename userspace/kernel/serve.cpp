// SPDX-License-Identifier: MIT
// Our program on the ingress of uplinks with services, and the sessions that were there before it.
#include <fmt/format.h>

#include <algorithm>

#include "base/boot_clock.h"
#include "kernel/keeper.h"
#include "kernel/side.h"
#include "kernel/state_impl.h"
#include "kernel/sys.h"
#include "kernel/tcx.h"

namespace lk {

namespace {

Side side_of(const Pins &pins, int ifindex) {
    return {Direction::ingress, serve_program, pins.serve_link(ifindex)};
}

// Below tcx our filter needs clsact, which cannot be where an ingress qdisc is.
Result<void> check_room(int ifindex) {
    const auto rtnl = Rtnl::open();
    if (!rtnl) return rtnl.error();
    const auto qdiscs = rtnl->qdiscs(ifindex);
    if (!qdiscs) return qdiscs.error();
    if (std::ranges::none_of(*qdiscs, [](const TcObject &qdisc) { return qdisc.kind == "ingress"; }))
        return {};
    return failure(
        fmt::format("--serve needs a clsact qdisc on device {} (this kernel has no tcx, Linux 6.6), "
                    "and it has one of the kind ingress: remove that (tc qdisc del dev DEV ingress)",
                    ifindex));
}

} // namespace

Result<void> State::attach_serve(int ifindex) {
    if (auto here = check_namespace(impl_->place.netns_cookie); !here) return here;
    if (auto fresh = impl_->refresh(); !fresh) return fresh;
    auto loaded = want_serve_program(impl_->pins, impl_->maps.word.raw().id(), impl_->programs);
    if (!loaded) return loaded;
    const Keeper keeper{impl_->pins};
    const auto side = side_of(impl_->pins, ifindex);
    const auto &program = impl_->program(serve_program);
    if (!is_on(side, ifindex, program) && !tcx::available())
        if (auto room = check_room(ifindex); !room) return room;
    if (auto told = impl_->tell_links_guard(); !told) return told; // before there is a link
    return attach_side(impl_->pins, ifindex, side, program);
}

Result<void> State::detach_serve(int ifindex) {
    if (auto here = check_namespace(impl_->place.netns_cookie); !here) return here;
    if (!path_exists(impl_->pins.serve_link(ifindex))) return {};
    const Keeper keeper{impl_->pins};
    if (auto dropped = detach_side(ifindex, side_of(impl_->pins, ifindex)); !dropped) return dropped;
    return tcx::available() ? Result<void>{} : drop_own_qdisc(impl_->pins, ifindex);
}

bool State::serve_alive(int ifindex) const {
    return impl_->programs.contains(serve_program) &&
           is_on(side_of(impl_->pins, ifindex), ifindex, impl_->program(serve_program));
}

std::vector<int> State::serves() const {
    return pinned_ifindexes(impl_->pins.links(), "serve");
}

Result<void> State::keep_sessions(const std::vector<lk_served> &sessions) {
    if (auto fresh = impl_->refresh(); !fresh) return fresh;
    const auto &map = impl_->maps.serve_old;
    const auto now = boot_clock_ns();
    // Those whose time is over make room.
    std::vector<lk_served> over;
    auto read = map.for_each([&](const lk_served &session, __u64 until_ns) {
        if (until_ns <= now) over.push_back(session);
    });
    if (!read) return read;
    if (auto erased = map.erase_all(over); !erased) return erased;
    return map.put_all(sessions, std::vector<__u64>(sessions.size(), now + LK_SERVE_OLD_LIFE_NS));
}

} // namespace lk
