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

// The tcx link pinned at PATH, if it is still on this device.
Fd living_link(const std::string &path, int ifindex) {
    auto opened = open_pin(path);
    if (opened.error != 0) return Fd{};
    const auto info = tcx_link_info(opened.fd.get());
    return info && info->target == static_cast<std::uint64_t>(ifindex) ? std::move(opened.fd) : Fd{};
}

bool has_filter(int ifindex, std::uint32_t program_id) {
    const auto rtnl = Rtnl::open();
    if (!rtnl) return false;
    const auto filters = rtnl->filters(ifindex, clsact_ingress);
    return filters && std::ranges::any_of(*filters, [&](const TcObject &filter) {
               return program_id ? filter.bpf_id == program_id : is_named(filter, frames_program);
           });
}

Result<void> end_filter(int ifindex) {
    return detach_clsact(
        ifindex, [](const TcObject &filter) { return is_named(filter, frames_program); }, Direction::ingress);
}

Result<void> pin_at(int fd, const std::string &path) {
    if (auto removed = remove_pin(path); !removed) return removed;
    if (bpf_obj_pin(fd, path.c_str()) != 0) return system_error("cannot pin " + path, errno);
    return {};
}

} // namespace

std::string ScopeLinks::pin(const char *what, int ifindex) const {
    return fmt::format("{}/{}-{}-{}", pins_.links(), what, cookie_, ifindex);
}

Result<ScopeLinks> ScopeLinks::open(const std::string &directory) {
    const Pins pins{directory};
    const auto cookie = netns_cookie();
    if (!cookie) return cookie.error();
    auto rows = open_rows(pins);
    if (!rows) return rows.error();
    return ScopeLinks{pins, *cookie, *std::move(rows)};
}

// Puts the program in place of an older build's, in whatever network namespace. One that will not have it
// goes on with that.
void ScopeLinks::renew(int program_fd) const {
    for (const auto &name : list_directory(pins_.links())) {
        if (!name.starts_with(fmt::format("{}-", by_tcx))) continue;
        if (const auto link = open_pin(fmt::format("{}/{}", pins_.links(), name)); link.error == 0)
            (void)bpf_link_update(link.fd.get(), program_fd, nullptr);
    }
}

Result<void> ScopeLinks::want_program() {
    if (program_.fd) return {};
    const auto directory = fmt::format("{}/{}", pins_.dir, scope_programs_name());
    const auto path = fmt::format("{}/{}", directory, frames_program);
    auto opened = open_pin(path);
    if (opened.error == ENOENT) {
        if (auto loaded = load_and_pin(frames_object(), pins_, directory); !loaded) return loaded;
        opened = open_pin(path);
        if (opened.error == 0) renew(opened.fd.get());
    }
    if (opened.error != 0) return system_error("cannot open " + path, opened.error);
    const auto info = program_info(opened.fd.get());
    if (!info || info->name != frames_program) return failure(path + " is not our program");
    program_ = {std::move(opened.fd), info->id};
    return {};
}

// The kernel takes a program once in a chain: its double stands in while the old link goes.
Result<void> ScopeLinks::put_first(int ifindex, const Fd &old) {
    auto object = load_object(frames_object(), pins_.maps());
    if (!object) return object.error();
    const auto *stand_in = bpf_object__find_program_by_name(object->get(), frames_program);
    const int created =
        stand_in ? tcx::create_link(bpf_program__fd(stand_in), ifindex, tcx::ingress) : -ENOENT;
    if (created < 0)
        return system_error(fmt::format("cannot attach to the head of device {}", ifindex), -created);
    const Fd link{created};
    const auto path = pin(by_tcx, ifindex), beside = path + "-new";
    if (auto pinned = pin_at(link.get(), beside); !pinned) return pinned;
    if (auto moved = move_path(beside, path); !moved) return moved;
    if (bpf_link_detach(old.get()) != 0 || bpf_link_update(link.get(), program_.fd.get(), nullptr) != 0)
        return system_error(fmt::format("cannot replace the program on device {}", ifindex), errno);
    return {};
}

Result<void> ScopeLinks::attach(int ifindex) {
    const auto path = pin(by_tcx, ifindex);
    if (const Fd old = living_link(path, ifindex)) {
        const auto info = tcx_link_info(old.get());
        if (info->program_id != program_.id && bpf_link_update(old.get(), program_.fd.get(), nullptr) != 0)
            return system_error(fmt::format("cannot replace the program on device {}", ifindex), errno);
        const auto chain = tcx::chain(ifindex, tcx::ingress);
        if (chain && !chain->empty() && chain->front().program_id != program_.id)
            return put_first(ifindex, old);
        return {};
    }
    int created = tcx::create_link(program_.fd.get(), ifindex, tcx::ingress);
    if (created == -EEXIST) // whoever made it was killed before it had a pin
        for (const auto &entry : tcx::chain(ifindex, tcx::ingress).value_or(std::vector<tcx::Entry>{}))
            if (entry.program_id == program_.id && entry.link_id != 0)
                created = bpf_link_get_fd_by_id(entry.link_id);
    if (created >= 0) {
        const Fd link{created};
        if (auto pinned = pin_at(link.get(), path); !pinned) return pinned;
        return end_filter(ifindex);
    }
    if (created != -EINVAL)
        return system_error(fmt::format("cannot attach to device {} by tcx", ifindex), -created);
    if (auto pinned = pin_at(program_.fd.get(), pin(by_filter, ifindex)); !pinned) return pinned;
    return attach_clsact(
        ifindex, program_.fd.get(), [&] { return make_directory(pin(own_qdisc, ifindex)); },
        Direction::ingress, frames_program);
}

Result<void> ScopeLinks::judge(int ifindex, const LinkSets &sets, bool shared) {
    if (auto wanted = want_program(); !wanted) return wanted;
    const lk_scope_link_key key{cookie_, static_cast<__u32>(ifindex), 0};
    if (auto put = rows_.put(key, row_of(sets, shared)); !put) return put;
    auto attached = attach(ifindex);
    return attached || is_there(ifindex) ? attached : drop(ifindex); // its container ended meanwhile
}

bool ScopeLinks::is_alive(int ifindex) const {
    return living_link(pin(by_tcx, ifindex), ifindex) ||
           (path_exists(pin(by_filter, ifindex)) && has_filter(ifindex, 0));
}

Result<void> ScopeLinks::drop(int ifindex) {
    const auto path = pin(by_tcx, ifindex);
    if (const auto opened = open_pin(path); opened.error == 0) bpf_link_detach(opened.fd.get());
    if (auto removed = remove_pin(path); !removed) return removed;
    if (path_exists(pin(by_filter, ifindex)) && is_there(ifindex)) {
        if (auto ended = end_filter(ifindex); !ended) return ended;
        if (path_exists(pin(own_qdisc, ifindex)))
            if (auto removed = remove_empty_clsact(ifindex); !removed) return removed;
    }
    if (auto removed = remove_tree(pin(own_qdisc, ifindex)); !removed) return removed;
    if (auto removed = remove_pin(pin(by_filter, ifindex)); !removed) return removed;
    return rows_.erase_all({{cookie_, static_cast<__u32>(ifindex), 0}});
}

Result<std::vector<int>> ScopeLinks::judged() const {
    std::vector<int> all;
    auto read = rows_.for_each([&](const lk_scope_link_key &key, const lk_scope_link &) {
        if (key.netns_cookie == cookie_) all.push_back(static_cast<int>(key.ifindex));
    });
    if (!read) return read.error();
    std::ranges::sort(all);
    return all;
}

Result<void> ScopeLinks::tidy(const std::function<bool(std::uint64_t)> &has_policy) {
    const auto all = judged();
    if (!all) return all.error();
    for (const auto &name : list_directory(pins_.links())) {
        unsigned long long cookie = 0;
        unsigned ifindex = 0;
        const auto format = fmt::format("{}-%llu-%u", by_tcx);
        if (std::sscanf(name.c_str(), format.c_str(), &cookie, &ifindex) != 2) continue;
        const auto path = fmt::format("{}/{}", pins_.links(), name);
        const auto opened = open_pin(path);
        const auto info = opened.error == 0 ? tcx_link_info(opened.fd.get()) : std::nullopt;
        if (cookie == cookie_ || !info || info->target != 0) continue;
        if (auto removed = remove_pin(path); !removed) return removed; // with its network namespace
        if (auto erased = rows_.erase_all({{cookie, ifindex, 0}}); !erased) return erased;
    }
    for (const int ifindex : *all) {
        lk_scope_link row{};
        if (!rows_.lookup({cookie_, static_cast<__u32>(ifindex), 0}, row)) continue;
        const auto needs = [&](const auto &set) {
            return std::ranges::any_of(set, [&](std::uint64_t id) { return id && has_policy(id); });
        };
        if (is_there(ifindex) && std::ranges::any_of(row.sets, needs)) continue;
        if (auto dropped = drop(ifindex); !dropped) return dropped;
    }
    return {};
}

Result<std::vector<int>> ScopeLinks::dead() const {
    auto all = judged();
    if (!all) return all;
    std::erase_if(*all, [&](int ifindex) { return !is_there(ifindex) || is_alive(ifindex); });
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
    if (here) (void)here->tidy([](std::uint64_t) { return false; });
}

} // namespace lk
