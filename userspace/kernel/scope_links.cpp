// SPDX-License-Identifier: MIT
#include "kernel/scope_links.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

#include "kernel/clsact.h"
#include "kernel/object_file.h"
#include "kernel/objects.h"
#include "kernel/rtnl.h"
#include "kernel/sys.h"
#include "kernel/tcx.h"
#include "net/netns.h"

namespace lk {

namespace {

constexpr const char *by_tcx = "frames", *by_filter = "framefilter", *own_qdisc = "frameqdisc";
constexpr const char *at_other_end = "inside", *at_only_end = "own";

using LinkRows = Map<lk_scope_link_key, lk_scope_link>;

Result<LinkRows> open_rows(const Pins &pins) {
    return LinkRows::open(pins.maps(), "lk_scope_links", BPF_MAP_TYPE_HASH, LK_SCOPE_LINKS);
}

lk_scope_link row_of(const LinkSets &sets, bool shared) {
    lk_scope_link row{};
    row.flags = shared ? LK_LINK_SHARED : 0;
    row.n_sets = static_cast<__u32>(std::min<std::size_t>(sets.size(), LK_LINK_SETS));
    for (std::size_t i = 0; i < row.n_sets; ++i)
        std::copy_n(sets[i].begin(), std::min<std::size_t>(sets[i].size(), LK_SCOPE_NEST),
                    std::begin(row.sets[i]));
    return row;
}

bool is_there(int ifindex) {
    std::array<char, IF_NAMESIZE> name{};
    return if_indextoname(static_cast<unsigned>(ifindex), name.data()) != nullptr;
}

// Whether the pinned link still hangs on a device, in whatever network namespace.
bool hangs(const std::string &path) {
    const auto opened = open_pin(path);
    const auto info = opened.error == 0 ? tcx_link_info(opened.fd.get()) : std::nullopt;
    return info && info->target != 0;
}

// Of those in clsact's ingress, which the kernel names in the order in which they run.
bool filter_is_first(int ifindex) {
    const auto rtnl = Rtnl::open();
    if (!rtnl) return false;
    const auto filters = rtnl->filters(ifindex, clsact_ingress);
    if (!filters || filters->empty()) return false;
    const auto first = std::ranges::min_element(*filters, {}, [](const TcObject &filter) {
        return std::pair(filter.priority(), !is_named(filter, frames_program));
    });
    return is_named(*first, frames_program);
}

Result<void> end_filter(int ifindex) {
    return detach_clsact(
        ifindex, [](const TcObject &filter) { return is_named(filter, frames_program); }, Direction::ingress);
}

} // namespace

std::string ScopeLinks::pin(const char *what, const lk_scope_link_key &key) const {
    return fmt::format("{}/{}-{}-{}", pins_.links(), what, key.netns_cookie, key.ifindex);
}

Result<ScopeLinks> ScopeLinks::open(const std::string &directory) {
    const Pins pins{directory};
    const auto cookie = netns_cookie();
    if (!cookie) return cookie.error();
    auto rows = open_rows(pins);
    if (!rows) return rows.error();
    return ScopeLinks{pins, *cookie, *std::move(rows)};
}

// Puts the programs in place of an older build's, in whatever network namespace. A device that will not have
// them goes on with those.
void ScopeLinks::renew() const {
    for (const auto &name : list_directory(pins_.links())) {
        const bool outer = name.starts_with(fmt::format("{}-", by_tcx));
        if (!outer && !name.starts_with(fmt::format("{}-", at_other_end)) &&
            !name.starts_with(fmt::format("{}-", at_only_end)))
            continue;
        if (const auto link = open_pin(fmt::format("{}/{}", pins_.links(), name)); link.error == 0)
            (void)bpf_link_update(link.fd.get(), (outer ? outer_ : inside_).program.fd.get(), nullptr);
    }
}

Result<void> ScopeLinks::want_program(FrameHook &hook, const std::string &directory) {
    const auto path = fmt::format("{}/{}", directory, hook.name);
    auto opened = open_pin(path);
    if (opened.error != 0) return system_error("cannot open " + path, opened.error);
    const auto info = program_info(opened.fd.get());
    if (!info || info->name != hook.name) return failure(path + " is not our program");
    hook.program = {std::move(opened.fd), info->id};
    return {};
}

Result<void> ScopeLinks::want_programs() {
    if (outer_.program.fd) return {};
    const auto directory = fmt::format("{}/{}", pins_.dir, scope_programs_name());
    const bool fresh = !path_exists(fmt::format("{}/{}", directory, frames_program)) ||
                       !path_exists(fmt::format("{}/{}", directory, inside_program));
    if (fresh)
        if (auto loaded = load_and_pin(frames_object(), pins_, directory); !loaded) return loaded;
    if (auto wanted = want_program(inside_, directory); !wanted) return wanted;
    if (auto wanted = want_program(outer_, directory); !wanted) return wanted;
    if (fresh) renew();
    return {};
}

Result<void> ScopeLinks::attach(int ifindex) {
    const auto key = outer_key(ifindex);
    const auto by_link = attach_first(outer_, pins_, ifindex, pin(by_tcx, key));
    if (!by_link) return by_link.error();
    if (*by_link) return end_filter(ifindex);
    if (auto pinned = pin_at(outer_.program.fd.get(), pin(by_filter, key)); !pinned) return pinned;
    return attach_clsact(
        ifindex, outer_.program.fd.get(), [&] { return make_directory(pin(own_qdisc, key)); },
        Direction::ingress, frames_program);
}

Result<bool> ScopeLinks::judge(int ifindex, const LinkSets &sets, bool shared) {
    if (auto wanted = want_programs(); !wanted) return wanted.error();
    const auto key = outer_key(ifindex);
    if (auto put = rows_.put(key, row_of(sets, shared)); !put) return put.error();
    auto attached = attach(ifindex);
    if (attached) return is_first(ifindex) || !is_there(ifindex);
    if (!is_there(ifindex)) attached = drop(key); // its container ended meanwhile
    return attached ? Result<bool>(true) : attached.error();
}

Result<void> ScopeLinks::judge_inside(int netns, int ifindex, int outer_ifindex) {
    if (auto wanted = want_programs(); !wanted) return wanted;
    const auto path = pin(at_other_end, outer_key(outer_ifindex));
    Result<bool> attached = false;
    auto seen = in_netns(netns, [&] {
        attached = attach_first(inside_, pins_, ifindex, path);
        if (!attached && !is_there(ifindex)) attached = false; // its container ended meanwhile
    });
    if (!seen) return seen;
    return attached ? Result<void>{} : attached.error();
}

Result<bool> ScopeLinks::judge_own(int netns, int ifindex, const LinkSets &sets, bool shared) {
    if (!tcx::available()) return false;
    if (auto wanted = want_programs(); !wanted) return wanted.error();
    Result<bool> attached = false;
    auto seen = in_netns(netns, [&] {
        const auto cookie = netns_cookie();
        if (!cookie) return void(attached = cookie.error());
        const lk_scope_link_key key{*cookie, static_cast<__u32>(ifindex), 1};
        if (auto put = rows_.put(key, row_of(sets, shared)); !put) return void(attached = put.error());
        attached = attach_first(inside_, pins_, ifindex, pin(at_only_end, key));
        if (is_there(ifindex)) return;
        const auto dropped = drop(key); // its container ended meanwhile
        attached = dropped ? Result<bool>(false) : dropped.error();
    });
    if (!seen) return seen.error();
    return attached;
}

bool ScopeLinks::is_first(int ifindex) const {
    const auto key = outer_key(ifindex);
    if (const Fd link = living_link(pin(by_tcx, key), ifindex, outer_.chain)) {
        const auto info = tcx_link_info(link.get());
        const auto chain = tcx::chain(ifindex, outer_.chain);
        return info && chain && !chain->empty() && chain->front().link_id == info->id;
    }
    return path_exists(pin(by_filter, key)) && filter_is_first(ifindex);
}

Result<void> ScopeLinks::drop(const lk_scope_link_key &key) {
    const int ifindex = static_cast<int>(key.ifindex);
    const std::vector<const char *> links =
        key.inside ? std::vector{at_only_end} : std::vector{by_tcx, at_other_end};
    for (const char *what : links)
        for (const char *also : {"", "-new"}) // of an attach that was killed
            if (auto detached = detach_pinned(pin(what, key) + also); !detached) return detached;
    if (!key.inside && key.netns_cookie == cookie_) {
        if (path_exists(pin(by_filter, key)) && is_there(ifindex)) {
            if (auto ended = end_filter(ifindex); !ended) return ended;
            if (path_exists(pin(own_qdisc, key)))
                if (auto removed = remove_empty_clsact(ifindex); !removed) return removed;
        }
        if (auto removed = remove_tree(pin(own_qdisc, key)); !removed) return removed;
        if (auto removed = remove_pin(pin(by_filter, key)); !removed) return removed;
    }
    return rows_.erase_all({key});
}

Result<std::vector<lk_scope_link_key>> ScopeLinks::keys() const {
    std::vector<lk_scope_link_key> all;
    auto read =
        rows_.for_each([&](const lk_scope_link_key &key, const lk_scope_link &) { all.push_back(key); });
    if (!read) return read.error();
    return all;
}

Result<std::vector<int>> ScopeLinks::judged() const {
    const auto all = keys();
    if (!all) return all.error();
    std::vector<int> here;
    for (const auto &key : *all)
        if (!key.inside && key.netns_cookie == cookie_) here.push_back(static_cast<int>(key.ifindex));
    std::ranges::sort(here);
    return here;
}

// Not one that was merely moved, which its link tells. Of those in other network namespaces nothing else
// does.
bool ScopeLinks::is_gone(const lk_scope_link_key &key) const {
    const auto path = pin(key.inside ? at_only_end : by_tcx, key);
    const bool here = !key.inside && key.netns_cookie == cookie_;
    if (here && is_there(static_cast<int>(key.ifindex))) return false;
    return path_exists(path) ? !hangs(path) : here;
}

Result<void> ScopeLinks::tidy_one(const lk_scope_link_key &key, const HasPolicy &has_policy,
                                  const HasPolicy &is_free) {
    if (is_gone(key)) return drop(key);
    lk_scope_link row{};
    if (!rows_.lookup(key, row)) return {};
    const auto has = [](const auto &set, const HasPolicy &what) {
        return std::ranges::any_of(set, [&](std::uint64_t id) { return id && what(id); });
    };
    if (std::ranges::none_of(row.sets, [&](const auto &set) { return has(set, has_policy); })) {
        const auto path = pin(key.inside ? at_only_end : by_tcx, key);
        if (key.netns_cookie == cookie_ || path_exists(path)) return drop(key);
        row = {};
        row.flags = LK_LINK_OPEN; // its filter is for those to take off who are there
        return rows_.put(key, row);
    }
    const auto freed = [&](const auto &set) { return !has(set, has_policy) && has(set, is_free); };
    if ((row.flags & LK_LINK_SHARED) || std::ranges::none_of(row.sets, freed)) return {};
    row.flags |= LK_LINK_SHARED;
    return rows_.put(key, row);
}

Result<void> ScopeLinks::tidy(const HasPolicy &has_policy, const HasPolicy &is_free) {
    const auto all = keys();
    if (!all) return all.error();
    for (const auto &key : *all)
        if (auto tidied = tidy_one(key, has_policy, is_free); !tidied) return tidied;
    return {};
}

Result<std::vector<int>> ScopeLinks::dead() const {
    auto all = judged();
    if (!all) return all;
    std::erase_if(*all, [&](int ifindex) { return !is_there(ifindex) || is_first(ifindex); });
    return all;
}

Result<std::vector<int>> ScopeLinks::dead_inside() const {
    auto all = judged();
    if (!all) return all;
    std::erase_if(*all, [&](int ifindex) {
        const auto path = pin(at_other_end, outer_key(ifindex));
        return !is_there(ifindex) || !path_exists(path) || hangs(path);
    });
    return all;
}

void ScopeLinks::open_all(const std::string &directory) {
    const Pins pins{directory};
    const auto rows = open_rows(pins);
    if (!rows) return;
    std::vector<lk_scope_link_key> keys;
    (void)rows->for_each([&](const lk_scope_link_key &key, const lk_scope_link &) { keys.push_back(key); });
    lk_scope_link open{};
    open.flags = LK_LINK_OPEN;
    for (const auto &key : keys)
        (void)rows->put(key, open);
    auto here = ScopeLinks::open(directory);
    if (here) (void)here->tidy([](std::uint64_t) { return false; }, [](std::uint64_t) { return true; });
}

} // namespace lk
