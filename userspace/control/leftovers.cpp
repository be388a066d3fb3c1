// SPDX-License-Identifier: MIT
#include "control/leftovers.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "kernel/pins.h"

namespace lk {

namespace {

// Directories of this network namespace, one per version.
std::vector<std::string> directories(const Place &place) {
    const std::string root = fmt::format("{}/{}", place.bpffs, root_name);
    std::vector<std::string> found;
    for (const std::string &name : list_directory(root))
        if (name.starts_with(namespace_prefix(place.netns_cookie)))
            found.push_back(fmt::format("{}/{}", root, name));
    return found;
}

} // namespace

bool gate_left(const Place &place) {
    const auto has_gate = [](const std::string &directory) {
        return std::ranges::any_of(list_directory(Pins{directory}.links()),
                                   [](const std::string &name) { return name.starts_with("gate-"); });
    };
    return std::ranges::any_of(directories(place), [&](const std::string &directory) {
        return has_gate(directory) || std::ranges::any_of(Pins{directory}.stale(), has_gate);
    });
}

bool any_state(const Place &place) {
    return std::ranges::any_of(
        directories(place), [](const std::string &directory) { return !list_directory(directory).empty(); });
}

std::vector<int> leftover_hooks(const Place &place, bool own_too) {
    std::set<int> found;
    const auto add = [&found](const std::string &directory) {
        for (const char *kind : {"uplink", "clsact"})
            for (const int ifindex : pinned_ifindexes(Pins{directory}.links(), kind))
                found.insert(ifindex);
    };
    for (const std::string &directory : directories(place)) {
        if (own_too || directory != place.directory()) add(directory);
        for (const std::string &stale : Pins{directory}.stale())
            add(stale);
    }
    return {found.begin(), found.end()};
}

} // namespace lk
