// SPDX-License-Identifier: MIT
// The kernel purges a root qdisc's packets when another one takes its place. So the root is replaced by one
// of the same kind and options under another handle, and that one by the same under the old handle: each step
// either happens or leaves everything as it was, and the device never runs with other rules.
#include "kernel/queue.h"

#include <fmt/format.h>
#include <linux/pkt_sched.h>
#include <netlink/errno.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "kernel/rtnl.h"

namespace lk {

namespace {

// Kinds whose dumped options, given back, make the same qdisc. No trees of classes.
constexpr std::array<std::string_view, 18> simple_kinds{
    "pfifo", "bfifo", "pfifo_head_drop", "pfifo_fast", "fq",   "fq_codel", "fq_pie", "codel",  "pie", "sfq",
    "sfb",   "tbf",   "netem",           "red",        "cake", "hhf",      "choke",  "skbprio"};

std::string not_emptied(int ifindex, const TcObject &root, const std::string &why) {
    return fmt::format(
        "the queue of device {} was not emptied ({} {:x}: {}): packets that waited in it before the attach "
        "leave unfiltered",
        ifindex, root.kind, root.handle >> 16, why);
}

// A handle that no qdisc of the device has.
std::uint32_t free_handle(const std::vector<TcObject> &qdiscs) {
    std::uint32_t handle = 0x6c6b0000;
    while (std::any_of(qdiscs.begin(), qdiscs.end(), [&](const auto &q) { return q.handle == handle; }))
        handle += 0x10000;
    return handle;
}

std::vector<std::uint8_t> as_option(const tc_fifo_qopt &limit) {
    std::vector<std::uint8_t> bytes(sizeof(limit));
    std::memcpy(bytes.data(), &limit, sizeof(limit));
    return bytes;
}

} // namespace

Result<std::optional<std::string>> empty_queue(int ifindex) {
    const std::optional<std::string> done;
    auto rtnl = Rtnl::open();
    if (!rtnl) return rtnl.error();
    auto qdiscs = rtnl->qdiscs(ifindex);
    if (!qdiscs) return qdiscs.error();
    const auto found = std::find_if(qdiscs->begin(), qdiscs->end(),
                                    [](const TcObject &qdisc) { return qdisc.parent == TC_H_ROOT; });
    if (found == qdiscs->end() || found->handle == 0) {
        if (found != qdiscs->end() && found->kind == "noqueue") return done;
        // The default: gone as soon as another is put there, and made anew when that one is deleted.
        const auto result = rtnl->replace_qdisc(ifindex, free_handle(*qdiscs), "pfifo", as_option({1000}));
        const auto deleted = result < 0 ? result : rtnl->delete_root_qdisc(ifindex);
        if (deleted == -NLE_NODEV) return done;
        if (deleted < 0)
            return std::optional{
                fmt::format("the queue of device {} was not emptied ({}): packets that waited in it "
                            "before the attach leave unfiltered",
                            ifindex, rtnl_text(deleted))};
        return done;
    }
    const TcObject root = *found;
    if (std::find(simple_kinds.begin(), simple_kinds.end(), root.kind) == simple_kinds.end())
        return std::optional{not_emptied(ifindex, root, "it has classes, which are not rebuilt")};
    const auto is_below = [&](const TcObject &other) { return (other.parent ^ root.handle) >> 16 == 0; };
    auto filters = rtnl->filters(ifindex, root.handle);
    if (!filters) return filters.error();
    if (!filters->empty() || std::any_of(qdiscs->begin(), qdiscs->end(), is_below))
        return std::optional{
            not_emptied(ifindex, root, "it has filters or qdiscs below it, which are not rebuilt")};
    const int replaced = rtnl->replace_qdisc(ifindex, free_handle(*qdiscs), root.kind, root.options);
    if (replaced == -NLE_NODEV) return done;
    if (replaced < 0) return std::optional{not_emptied(ifindex, root, rtnl_text(replaced))};
    const int restored = rtnl->replace_qdisc(ifindex, root.handle, root.kind, root.options);
    if (restored < 0 && restored != -NLE_NODEV)
        return std::optional{
            fmt::format("the queue of device {} was emptied, but its qdisc {} has another handle now ({})",
                        ifindex, root.kind, rtnl_text(restored))};
    return done;
}

} // namespace lk
