// SPDX-License-Identifier: MIT
#include "bench/cgroup_report.h"

#include <algorithm>

#include <fmt/format.h>

namespace lk::bench {

namespace {

constexpr double most_growth = 1.2, most_attach_ms = 1;

void fill(const CgroupsFound &found, Sheet &sheet) {
    const auto row = fmt::format("{}", found.cgroups);
    const auto put = [&](const char *column, const Estimate &value) {
        if (value.measured()) sheet.put(row, column, value);
    };
    put("first attach, ms", middle(found.first_ms));
    put("attach, ms", middle(found.attach_ms));
    if (!found.attach_ms.empty()) put("slowest, ms", {*std::ranges::max_element(found.attach_ms), 0});
    put("maps, MB", {found.map_bytes / 1e6, 0});
    put("packet, ns", middle(found.packet_ns));
    put("connect, ns", middle(found.connect_ns));
}

} // namespace

SpeedReport cgroup_report(const std::vector<CgroupsFound> &found) {
    SpeedReport report;
    Sheet sheet{.part = "cgroup",
                .title = "Policies of cgroups",
                .columns = {"first attach, ms", "attach, ms", "slowest, ms"}};
    Series attaches;
    for (const CgroupsFound &each : found) {
        fill(each, sheet);
        attaches.insert(attaches.end(), each.attach_ms.begin(), each.attach_ms.end());
    }
    const auto growth = [&](const char *what, Series CgroupsFound::*series) {
        report.goals.push_back({fmt::format("cgroup.{}", what),
                                fmt::format("a {} with {} cgroups, of one with {}", what,
                                            found.back().cgroups, found.front().cgroups),
                                ratio(found.back().*series, found.front().*series), most_growth});
    };
    if (found.size() > 1) {
        growth("packet", &CgroupsFound::packet_ns);
        growth("connect", &CgroupsFound::connect_ns);
    }
    report.goals.push_back(
        {"cgroup.attach", "an attach after the first, ms", middle(attaches), most_attach_ms});
    report.sheets.push_back(std::move(sheet));
    return report;
}

} // namespace lk::bench
