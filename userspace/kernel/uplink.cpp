// SPDX-License-Identifier: MIT
// Our program on uplinks: by a tcx link that is pinned, or by a clsact filter of which the pinned program is
// the record. What is new holds before what is old goes.
#include <bpf/bpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#include "kernel/chain.h"
#include "kernel/clsact.h"
#include "kernel/keeper.h"
#include "kernel/queue.h"
#include "kernel/state_impl.h"
#include "kernel/sys.h"
#include "kernel/tcx.h"

namespace lk {

namespace {

struct Pinned {
    Fd link;
    LinkInfo info;
};

// The living tcx link pinned for this device, whichever program it runs.
std::optional<Pinned> living_link(const Pins &pins, int ifindex) {
    auto opened = open_pin(pins.tcx_link(ifindex));
    if (opened.error != 0) return std::nullopt;
    const auto info = tcx_link_info(opened.fd.get());
    if (!info || info->target != static_cast<std::uint64_t>(ifindex)) return std::nullopt;
    return Pinned{std::move(opened.fd), *info};
}

// True: a filter in clsact runs the program.
Result<bool> living_filter(int ifindex, std::uint32_t program_id) {
    auto rtnl = Rtnl::open();
    if (!rtnl) return rtnl.error();
    auto filters = rtnl->filters(ifindex, clsact_egress);
    if (!filters) return filters.error();
    return std::any_of(filters->begin(), filters->end(),
                       [&](const TcObject &filter) { return filter.bpf_id == program_id; });
}

Result<void> pin_over(int fd, const std::string &path) {
    if (auto removed = remove_pin(path); !removed) return removed;
    if (bpf_obj_pin(fd, path.c_str()) != 0) return system_error("cannot pin " + path, errno);
    return {};
}

Result<void> drop_link(const Pins &pins, int ifindex) {
    for (const auto &path : {pins.tcx_link(ifindex), pins.new_tcx_link(ifindex)}) {
        auto opened = open_pin(path);
        // Detached by hand as well: another process may hold the link open.
        if (opened.error == 0) bpf_link_detach(opened.fd.get());
        if (auto removed = remove_pin(path); !removed) return removed;
    }
    return {};
}

Result<void> drop_filter(const Pins &pins, int ifindex, std::uint32_t program_id) {
    if (path_exists(pins.clsact(ifindex))) {
        auto detached = detach_clsact(ifindex, [&](const TcObject &filter) {
            return filter.bpf_id == program_id || is_named(filter, uplink_program);
        });
        if (!detached) return detached;
    }
    if (path_exists(pins.clsact_qdisc(ifindex))) {
        if (auto removed = remove_empty_clsact(ifindex); !removed) return removed;
        if (auto removed = remove_tree(pins.clsact_qdisc(ifindex)); !removed) return removed;
    }
    return remove_pin(pins.clsact(ifindex));
}

// A link of this program on this device that has no pin: its maker was killed before he could pin it.
Fd orphaned_link(int ifindex, std::uint32_t program_id) {
    for (const auto &entry : tcx::chain(ifindex).value_or(std::vector<tcx::Entry>{}))
        if (entry.program_id == program_id && entry.link_id != 0)
            return Fd{bpf_link_get_fd_by_id(entry.link_id)};
    return Fd{};
}

// False: this kernel has no tcx.
Result<bool> attach_tcx(const Pins &pins, int ifindex, const Program &program) {
    Fd link;
    int number = EEXIST;
    for (int turn = 0; turn < 200 && !link && number == EEXIST; ++turn) {
        // The kernel may still be about to end the orphan.
        if (turn > 0) std::this_thread::sleep_for(std::chrono::milliseconds{5});
        const int created = tcx::create_link(program.fd.get(), ifindex);
        if (created >= 0)
            link = Fd{created};
        else if ((number = -created) == EEXIST)
            link = orphaned_link(ifindex, program.id);
    }
    if (!link) {
        if (number == EINVAL) return false;
        if (number == ERANGE)
            return failure(fmt::format(
                "device {} has the most tcx programs that the kernel takes: detach one", ifindex));
        return system_error(fmt::format("cannot attach to device {} by tcx", ifindex), number);
    }
    if (auto pinned = pin_over(link.get(), pins.tcx_link(ifindex)); !pinned) return pinned.error();
    return true;
}

Result<void> attach_by_clsact(const Pins &pins, int ifindex, const Program &program) {
    // The record comes first: a crash after it leaves a hook that is known and dead.
    if (auto pinned = pin_over(program.fd.get(), pins.clsact(ifindex)); !pinned) return pinned;
    return attach_clsact(ifindex, program.fd.get(),
                         [&] { return make_directory(pins.clsact_qdisc(ifindex)); });
}

Result<void> attach_anew(const Pins &pins, int ifindex, const Program &program, HookKind kind) {
    if (kind != HookKind::clsact) {
        auto attached = attach_tcx(pins, ifindex, program);
        if (!attached) return attached.error();
        if (*attached) return {};
        if (kind == HookKind::tcx)
            return unsupported("this kernel has no tcx (Linux 6.6): use --hook clsact or auto");
    }
    return attach_by_clsact(pins, ifindex, program);
}

} // namespace

Result<std::optional<std::string>> State::attach_uplink(int ifindex, HookKind kind) {
    if (auto here = check_namespace(impl_->place.netns_cookie); !here) return here.error();
    if (auto fresh = impl_->refresh(); !fresh) return fresh.error();
    const auto &pins = impl_->pins;
    const Keeper keeper{pins};
    const auto &program = impl_->program(uplink_program);
    auto link = living_link(pins, ifindex);
    auto filter = living_filter(ifindex, program.id);
    if (!filter) return filter.error();
    if (link && link->info.program_id != program.id) { // of an older build: one program follows the other
        if (bpf_link_update(link->link.get(), program.fd.get(), nullptr) != 0)
            return system_error(fmt::format("cannot replace the program on device {}", ifindex), errno);
        link->info.program_id = program.id;
    }
    // The filter runs though its record is gone: without one it would be nobody's.
    if (*filter && !path_exists(pins.clsact(ifindex)))
        if (auto pinned = pin_over(program.fd.get(), pins.clsact(ifindex)); !pinned) return pinned.error();
    const bool alive = (link && kind != HookKind::clsact) || (*filter && kind != HookKind::tcx);
    if (!alive) {
        // Noted before the hook is there, so that a crash in between is made good by the next attach.
        const bool first = !link && !*filter;
        if (first)
            if (auto noted = make_directory(pins.full_queue(ifindex)); !noted) return noted.error();
        if (auto attached = attach_anew(pins, ifindex, program, kind); !attached) {
            if (first) (void)remove_tree(pins.full_queue(ifindex));
            return attached.error();
        }
    }
    // One of the two is enough, and an unused pin would be reported as a dead hook.
    const bool by_tcx = living_link(pins, ifindex).has_value() && kind != HookKind::clsact;
    auto dropped = by_tcx ? drop_filter(pins, ifindex, program.id) : drop_link(pins, ifindex);
    if (!dropped) return dropped.error();
    if (!path_exists(pins.full_queue(ifindex))) return std::optional<std::string>{};
    auto emptied = empty_queue(ifindex);
    if (auto removed = remove_tree(pins.full_queue(ifindex)); !removed) return removed.error();
    // The filter holds for all that is sent from now on, so this is no failure of the attach.
    if (!emptied)
        return std::optional{"the queue from before the attach was not emptied: " + emptied.error().message};
    return emptied;
}

Result<void> State::detach_uplink(int ifindex) {
    if (auto here = check_namespace(impl_->place.netns_cookie); !here) return here.error();
    if (auto dropped = detach_serve(ifindex); !dropped) return dropped; // what nobody may answer is not noted
    const Keeper keeper{impl_->pins};
    if (auto dropped = drop_link(impl_->pins, ifindex); !dropped) return dropped;
    if (auto removed = remove_tree(impl_->pins.full_queue(ifindex)); !removed) return removed;
    return drop_filter(impl_->pins, ifindex, impl_->program(uplink_program).id);
}

FrontPlace State::front_place(int ifindex) const {
    const auto first = tcx::first(ifindex);
    if (!first) return FrontPlace::first; // the device is gone altogether
    if (*first == impl_->program(uplink_program).id) return FrontPlace::first;
    if (*first != 0) return FrontPlace::behind;
    return path_exists(impl_->pins.clsact(ifindex)) ? FrontPlace::first : FrontPlace::gone;
}

std::vector<std::string> State::ahead_of(int ifindex) const {
    UplinkHook hook;
    hook.ifindex = ifindex;
    hook.attachment = path_exists(impl_->pins.clsact(ifindex)) ? Attachment::clsact : Attachment::tcx;
    hook.program_id = impl_->program(uplink_program).id;
    (void)read_chain(hook);
    return hook.ahead;
}

Result<void> State::put_first(int ifindex) {
    if (auto here = check_namespace(impl_->place.netns_cookie); !here) return here;
    if (auto fresh = impl_->refresh(); !fresh) return fresh;
    if (front_place(ifindex) == FrontPlace::first) return {};
    const auto &pins = impl_->pins;
    const Keeper keeper{pins};
    const auto &program = impl_->program(uplink_program);
    const auto old = living_link(pins, ifindex);
    if (!old || old->info.program_id != program.id)
        return failure("our program is not there by tcx, so it cannot be put before tcx programs");
    // The kernel takes a program once in a chain: its double stands in while the old link goes. Whoever dies
    // after the rename leaves what looks like a link of an older build, which attach_uplink() makes good.
    const auto stand_in = load_uplink_again(pins);
    if (!stand_in) return stand_in.error();
    const auto beside = pins.new_tcx_link(ifindex);
    if (auto removed = remove_pin(beside); !removed) return removed;
    const int created = tcx::create_link(stand_in->get(), ifindex);
    if (created < 0)
        return system_error(fmt::format("cannot attach to the head of device {}", ifindex), -created);
    const Fd link{created};
    if (bpf_obj_pin(link.get(), beside.c_str()) != 0) return system_error("cannot pin " + beside, errno);
    if (auto moved = move_path(beside, pins.tcx_link(ifindex)); !moved) return moved;
    if (bpf_link_detach(old->link.get()) != 0)
        return system_error(fmt::format("cannot take the old link off device {}", ifindex), errno);
    if (bpf_link_update(link.get(), program.fd.get(), nullptr) != 0)
        return system_error(fmt::format("cannot replace the program on device {}", ifindex), errno);
    return {};
}

Result<std::vector<UplinkHook>> State::uplink_hooks(Chains chains) const {
    if (auto here = check_namespace(impl_->place.netns_cookie); !here) return here.error();
    const auto &pins = impl_->pins;
    const auto id = impl_->program(uplink_program).id;
    std::vector<UplinkHook> hooks;
    for (const int ifindex : pinned_ifindexes(pins.links(), "uplink")) {
        UplinkHook hook;
        hook.ifindex = ifindex;
        hook.attachment = Attachment::tcx;
        if (const auto link = living_link(pins, ifindex)) {
            hook.program_id = link->info.program_id;
            hook.ours_alive = hook.program_id == id;
        }
        hooks.push_back(std::move(hook));
    }
    for (const int ifindex : pinned_ifindexes(pins.links(), "clsact")) {
        auto filter = living_filter(ifindex, id);
        if (!filter) return filter.error();
        UplinkHook hook;
        hook.ifindex = ifindex;
        hook.attachment = Attachment::clsact;
        hook.program_id = *filter ? id : 0;
        hook.ours_alive = *filter;
        hooks.push_back(std::move(hook));
    }
    for (auto &hook : hooks) {
        hook.unfinished = path_exists(pins.full_queue(hook.ifindex));
        if (hook.ours_alive && chains == Chains::read)
            if (auto read = read_chain(hook); !read) return read.error();
    }
    std::sort(hooks.begin(), hooks.end(), [](const auto &a, const auto &b) { return a.ifindex < b.ifindex; });
    return hooks;
}

} // namespace lk
