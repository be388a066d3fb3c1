// SPDX-License-Identifier: MIT
#include "kernel/clsact.h"

#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>

#include <algorithm>
#include <cerrno>

#include "kernel/programs.h"
#include "kernel/sys.h"

namespace lk {

namespace {

constexpr std::uint32_t our_handle = 0x6c6b; // fixed, so that our filter can be replaced in one step
constexpr unsigned last_priority = 64;

bpf_tc_hook hook_of(int ifindex, Direction direction) {
    bpf_tc_hook hook{};
    hook.sz = sizeof(hook);
    hook.ifindex = ifindex;
    hook.attach_point = direction == Direction::egress ? BPF_TC_EGRESS : BPF_TC_INGRESS;
    return hook;
}

bpf_tc_opts filter_options(unsigned priority) {
    bpf_tc_opts options{};
    options.sz = sizeof(options);
    options.handle = our_handle;
    options.priority = priority;
    return options;
}

Result<bool> has_clsact(const Rtnl &rtnl, int ifindex) {
    auto qdiscs = rtnl.qdiscs(ifindex);
    if (!qdiscs) return qdiscs.error();
    return std::any_of(qdiscs->begin(), qdiscs->end(),
                       [](const TcObject &qdisc) { return qdisc.kind == "clsact"; });
}

} // namespace

std::uint32_t clsact_parent(Direction direction) {
    return direction == Direction::egress ? clsact_egress : clsact_ingress;
}

bool is_named(const TcObject &filter, std::string_view program) {
    if (filter.kind != "bpf") return false;
    if (filter.bpf_id != 0 && program_name(filter.bpf_id) == program) return true;
    return filter.bpf_name.starts_with(fmt::format("{}:[", program)); // libbpf's way to name it
}

bool is_named_ours(const TcObject &filter) {
    return is_named(filter, uplink_program) || is_named(filter, tunnel_in_program) ||
           is_named(filter, tunnel_out_program) || is_named(filter, serve_program);
}

Result<void> attach_clsact(int ifindex, int program_fd, const std::function<Result<void>()> &qdisc_made,
                           Direction direction, std::string_view name) {
    auto rtnl = Rtnl::open();
    if (!rtnl) return rtnl.error();
    auto present = has_clsact(*rtnl, ifindex);
    if (!present) return present.error();
    auto hook = hook_of(ifindex, direction);
    if (!*present) {
        if (auto noted = qdisc_made(); !noted) return noted;
        if (const int result = bpf_tc_hook_create(&hook); result < 0 && result != -EEXIST)
            return system_error(fmt::format("cannot make a clsact qdisc on device {}", ifindex), -result);
    }
    auto filters = rtnl->filters(ifindex, clsact_parent(direction));
    if (!filters) return filters.error();
    int result = -EEXIST;
    for (const auto &filter : *filters) {
        if (filter.handle != our_handle || !is_named(filter, name)) continue;
        auto options = filter_options(filter.priority());
        options.flags = BPF_TC_F_REPLACE;
        options.prog_fd = program_fd;
        result = bpf_tc_attach(&hook, &options);
        if (result < 0)
            return system_error(fmt::format("cannot replace our filter on device {}", ifindex), -result);
        return {};
    }
    // A priority that another kind of filter or protocol holds is refused; ours then comes after it, and
    // status tells.
    for (unsigned priority = 1; priority <= last_priority && result < 0; ++priority) {
        auto options = filter_options(priority);
        options.prog_fd = program_fd;
        result = bpf_tc_attach(&hook, &options);
        if (result == -ENODEV || result == -EPERM || result == -ENOMEM) break;
    }
    if (result < 0)
        return system_error(fmt::format("cannot put the filter into clsact of device {}", ifindex), -result);
    return {};
}

unsigned free_priority(const std::vector<TcObject> &filters) {
    const auto taken = [&filters](unsigned priority) {
        return std::ranges::any_of(filters, [priority](const TcObject &filter) {
            const bool as_ours = filter.kind == "bpf" && (filter.info & 0xffff) == htons(ETH_P_ALL);
            return filter.priority() == priority && !as_ours;
        });
    };
    unsigned priority = 1;
    while (priority <= last_priority && taken(priority))
        ++priority;
    return priority;
}

Result<void> detach_clsact(int ifindex, const std::function<bool(const TcObject &)> &mine,
                           Direction direction) {
    auto rtnl = Rtnl::open();
    if (!rtnl) return rtnl.error();
    auto filters = rtnl->filters(ifindex, clsact_parent(direction));
    if (!filters) return filters.error();
    const auto hook = hook_of(ifindex, direction);
    for (const auto &filter : *filters) {
        if (filter.kind != "bpf" || !mine(filter)) continue;
        auto options = filter_options(filter.priority());
        options.handle = filter.handle;
        const int result = bpf_tc_detach(&hook, &options);
        if (result < 0 && result != -ENOENT && result != -ENODEV && result != -EINVAL)
            return system_error(
                fmt::format("cannot remove our filter (pref {}, handle {:#x}) from clsact of device {}",
                            filter.priority(), filter.handle, ifindex),
                -result);
    }
    return {};
}

Result<void> remove_empty_clsact(int ifindex) {
    auto rtnl = Rtnl::open();
    if (!rtnl) return rtnl.error();
    auto present = has_clsact(*rtnl, ifindex);
    if (!present) return present.error();
    if (!*present) return {};
    for (const auto parent : {clsact_egress, clsact_ingress}) {
        auto filters = rtnl->filters(ifindex, parent);
        if (!filters) return filters.error();
        if (!filters->empty()) return {};
    }
    auto hook = hook_of(ifindex, Direction::egress);
    hook.attach_point = static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS);
    const int result = bpf_tc_hook_destroy(&hook);
    if (result < 0 && result != -ENOENT && result != -ENODEV && result != -EINVAL)
        return system_error(fmt::format("cannot remove the clsact qdisc of device {}", ifindex), -result);
    return {};
}

} // namespace lk
