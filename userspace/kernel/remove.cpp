// SPDX-License-Identifier: MIT
// Ending the filter of a network namespace, and of versions that were there before.
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include "kernel/follower.h"
#include "kernel/keeper.h"
#include "kernel/removal.h"
#include "kernel/state_impl.h"

namespace lk {

namespace {

std::string root_of(const Place &place) {
    return fmt::format("{}/{}", place.bpffs, root_name);
}

// The namespace's directories of every version.
std::vector<std::string> directories_of(const Place &place) {
    std::vector<std::string> result;
    const auto root = root_of(place);
    for (const auto &name : list_directory(root))
        if (name.starts_with(namespace_prefix(place.netns_cookie))) result.push_back(root + "/" + name);
    return result;
}

// DIRECTORIES with the stale- ones in them: each may hold links.
std::vector<std::string> with_stale(const std::vector<std::string> &directories) {
    std::vector<std::string> result;
    for (const auto &directory : directories) {
        for (auto &stale : Pins{directory}.stale())
            result.push_back(std::move(stale));
        result.push_back(directory);
    }
    return result;
}

// EVERYTHING: also what no pin leads to.
void end_hooks(Removal &removal, const std::vector<std::string> &directories, const Place &place,
               bool everything) {
    for (const auto &directory : directories)
        removal.note(directory);
    // First those that keep others from what follows.
    std::vector<Keeper> keepers;
    for (const auto &directory : directories) {
        keepers.emplace_back(Pins{directory});
        removal.end_links(Pins{directory}.links(), "guard-");
    }
    for (const auto &directory : directories)
        removal.end_links(Pins{directory}.links(), "cgroup-");
    for (const auto &directory : directories)
        removal.end_links(Pins{directory}.links(), "tunnel");
    for (const auto &directory : directories)
        removal.end_links(Pins{directory}.links(), "serve-");
    for (const auto &directory : directories)
        removal.end_links(Pins{directory}.links(), "gate-");
    for (const auto &directory : directories)
        removal.end_links(Pins{directory}.links(), "uplink-");
    if (everything) removal.end_living_links(place.netns_cookie);
    removal.end_filters(everything);
    for (const auto &directory : directories)
        removal.end_qdiscs(Pins{directory}.links());
}

} // namespace

Result<void> State::remove_others(const Place &place) {
    if (auto here = check_namespace(place.netns_cookie); !here) return here.error();
    const Pins ours{place.directory()};
    auto others = ours.stale();
    Removal removal;
    if (!others.empty()) removal.keep(end_follower_of(ours)); // it works with what is stale
    std::vector<std::string> versions;
    for (const auto &directory : directories_of(place))
        if (directory != place.directory()) versions.push_back(directory);
    for (const auto &directory : versions)
        removal.keep(end_follower_of(Pins{directory}));
    for (auto &directory : with_stale(versions))
        others.push_back(std::move(directory));
    if (others.empty()) return {};
    // A clsact qdisc that they made and we use now is ours to remove one day.
    for (const auto &directory : others)
        for (const int ifindex : pinned_ifindexes(Pins{directory}.links(), "qdisc"))
            if (path_exists(ours.clsact(ifindex)) || path_exists(ours.tunnel_link(true, ifindex)) ||
                path_exists(ours.serve_link(ifindex)))
                removal.keep(make_directory(ours.clsact_qdisc(ifindex)));
    end_hooks(removal, others, place, false);
    for (const auto &directory : others)
        removal.remove_directory(directory);
    return removal.finish();
}

Result<void> State::remove_all(const Place &place) {
    if (auto here = check_namespace(place.netns_cookie); !here) return here.error();
    // Nobody makes a directory for this namespace while its directories are being removed.
    const auto root = root_of(place);
    auto outer = open_directory(root);
    if (outer.error == 0) ::flock(outer.fd.get(), LOCK_EX);
    Removal removal;
    const auto directories = directories_of(place);
    for (const auto &directory : directories)
        removal.keep(end_follower_of(Pins{directory}));
    removal.keep(end_unseen_followers());
    end_hooks(removal, with_stale(directories), place, true);
    for (const auto &directory : directories)
        removal.remove_directory(directory);
    ::rmdir(root.c_str()); // stays where another namespace has something in it
    outer.fd.reset();
    return removal.finish();
}

} // namespace lk
