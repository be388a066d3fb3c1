// SPDX-License-Identifier: MIT
#include "control/resolved.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

namespace lk {

namespace {

namespace fs = std::filesystem;

const std::set<std::string> telling{"DNS",   "FallbackDNS",  "Domains",        "DNSOverTLS",
                                    "LLMNR", "MulticastDNS", "DNSStubListener"};

std::string trimmed(const std::string &text) {
    const auto from = text.find_first_not_of(" \t\r");
    return from == text.npos ? "" : text.substr(from, text.find_last_not_of(" \t\r") - from + 1);
}

void read_file(const fs::path &path, std::map<std::string, std::string> &settings) {
    std::ifstream file(path);
    bool in_section = false;
    for (std::string line; std::getline(file, line);) {
        line = trimmed(line);
        if (line.starts_with('[')) in_section = line == "[Resolve]";
        const auto equals = line.find('=');
        if (!in_section || equals == line.npos || line.starts_with('#') || line.starts_with(';')) continue;
        const auto key = trimmed(line.substr(0, equals)), value = trimmed(line.substr(equals + 1));
        if (!telling.contains(key)) continue;
        if (value.empty())
            settings.erase(key); // back to the built-in value
        else
            settings[key] = value;
    }
}

} // namespace

ResolvedFacts read_resolved(const std::string &root) {
    ResolvedFacts facts;
    std::error_code error;
    facts.running = fs::exists(root + "/run/systemd/resolve/resolv.conf", error);
    // The first of these that exists, then the snippets of all directories in the order of their names, of
    // which the earlier directory wins.
    const std::vector<std::string> directories{"/etc", "/run", "/usr/local/lib", "/usr/lib"};
    std::map<std::string, fs::path> snippets;
    bool main_read = false;
    for (const auto &directory : directories) {
        const fs::path base = root + directory + "/systemd";
        if (!main_read && fs::exists(base / "resolved.conf", error)) {
            read_file(base / "resolved.conf", facts.settings);
            main_read = true;
        }
        for (fs::directory_iterator entry(base / "resolved.conf.d", error), end; !error && entry != end;
             entry.increment(error))
            if (entry->path().extension() == ".conf")
                snippets.emplace(entry->path().filename().string(), entry->path());
    }
    for (const auto &[name, path] : snippets)
        read_file(path, facts.settings);
    return facts;
}

} // namespace lk
