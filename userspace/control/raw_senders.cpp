// SPDX-License-Identifier: MIT
#include "control/raw_senders.h"

#include <fmt/format.h>
#include <linux/capability.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>

#include "base/text.h"

namespace lk {

namespace fs = std::filesystem;

std::vector<std::string> raw_senders(const std::string &proc) {
    std::vector<std::pair<std::uint64_t, std::string>> found;
    std::error_code error;
    const fs::path here = fs::read_symlink(fs::path(proc) / "thread-self/ns/net", error);
    const fs::path own = error ? fs::read_symlink(fs::path(proc) / "self/ns/net", error) : here;
    for (fs::directory_iterator entry(proc, error), end; !error && entry != end; entry.increment(error)) {
        const auto pid = parse_decimal(entry->path().filename().string());
        std::error_code gone;
        if (!pid || fs::read_symlink(entry->path() / "ns/net", gone) != own || gone) continue;
        if (fs::read_symlink(entry->path() / "exe", gone).empty() || gone) continue; // a kernel thread
        std::ifstream status(entry->path() / "status");
        std::string name;
        std::uint64_t effective = 0;
        for (std::string line; std::getline(status, line);) {
            if (line.starts_with("Name:\t")) name = line.substr(6);
            if (line.starts_with("CapEff:\t"))
                std::from_chars(line.data() + 8, line.data() + line.size(), effective, 16);
        }
        if (effective >> CAP_NET_RAW & 1) found.emplace_back(*pid, name);
    }
    std::ranges::sort(found);
    std::vector<std::string> told;
    for (const auto &[pid, name] : found)
        told.push_back(fmt::format("{} (pid {})", quote(name), pid));
    return told;
}

} // namespace lk
