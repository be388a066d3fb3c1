// SPDX-License-Identifier: MIT
#include "kernel/removal.h"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <chrono>
#include <thread>

#include "kernel/clsact.h"
#include "kernel/lost.h"

namespace lk {

void Removal::keep(const Result<void> &result) {
    if (result) return;
    left_.push_back(result.error().message);
    forbidden_ |= result.error().exit == Exit::permission;
}

void Removal::note(const std::string &directory) {
    for (const auto &name : list_directory(directory)) {
        const auto path = directory + "/" + name;
        struct stat st {};
        if (::lstat(path.c_str(), &st) != 0) continue;
        if (S_ISDIR(st.st_mode)) {
            note(path);
            continue;
        }
        if (!S_ISREG(st.st_mode)) continue; // a symbolic link may lead to what is not ours
        const auto opened = open_pin(path);
        const auto object = opened.error == 0 ? identify(opened.fd.get()) : std::nullopt;
        if (object) noted_.insert(*object);
        if (!object || object->kind != BpfKind::link) continue;
        // The program of a link is ours even where its own pin is lost.
        const auto info = link_info(opened.fd.get());
        if (info && info->program_id != 0)
            noted_.insert({BpfKind::program, info->program_id, program_name(info->program_id)});
    }
}

void Removal::end_links(const std::string &links_dir, std::string_view prefix) {
    for (const auto &name : list_directory(links_dir)) {
        if (!name.starts_with(prefix)) continue;
        const auto path = links_dir + "/" + name;
        struct stat st {};
        if (::lstat(path.c_str(), &st) != 0 || !S_ISREG(st.st_mode)) continue;
        // By hand, because a process that still holds the link would keep it attached.
        if (const auto opened = open_pin(path); opened.error == 0) bpf_link_detach(opened.fd.get());
        keep(remove_pin(path));
    }
}

void Removal::end_filters(bool by_name) {
    auto rtnl = Rtnl::open();
    if (!rtnl) return keep(rtnl.error());
    auto links = rtnl->links();
    if (!links) return keep(links.error());
    const auto mine = [&](const TcObject &filter) {
        const BpfObject program{BpfKind::program, filter.bpf_id, program_name(filter.bpf_id)};
        return noted_.contains(program) || (by_name && is_named_ours(filter));
    };
    for (const int ifindex : *links)
        for (const auto direction : {Direction::egress, Direction::ingress})
            keep(detach_clsact(ifindex, mine, direction));
}

void Removal::end_living_links(std::uint64_t netns_cookie) {
    keep(lk::end_living_links(netns_cookie));
}

void Removal::end_qdiscs(const std::string &links_dir) {
    for (const int ifindex : pinned_ifindexes(links_dir, "qdisc"))
        keep(remove_empty_clsact(ifindex));
}

void Removal::remove_directory(const std::string &directory) {
    keep(remove_tree(directory));
}

Result<void> Removal::finish() {
    // Programs and maps go after an RCU grace period and a worker's turn.
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{5};
    while (!noted_.empty()) {
        std::erase_if(noted_, [](const BpfObject &object) { return !exists(object); });
        if (noted_.empty() || std::chrono::steady_clock::now() >= deadline) break;
        std::this_thread::sleep_for(std::chrono::milliseconds{2});
    }
    for (const auto &object : noted_)
        left_.push_back(describe(object) + " is still there (another process may hold it open)");
    if (left_.empty()) return {};
    return Error{forbidden_ ? Exit::permission : Exit::failure,
                 fmt::format("not everything could be removed: {}", fmt::join(left_, "; "))};
}

} // namespace lk
