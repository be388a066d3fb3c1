// SPDX-License-Identifier: MIT
#include "cli/output.h"

#include <fmt/format.h>
#include <pwd.h>

#include <map>

namespace lk {

std::string user_name(uid_t uid) {
    static std::map<uid_t, std::string> known;
    const auto [place, fresh] = known.try_emplace(uid);
    if (fresh) {
        const passwd *entry = getpwuid(uid);
        place->second = entry ? entry->pw_name : std::to_string(uid);
    }
    return place->second;
}

void print(const std::string &text) {
    fmt::print("{}{}", text, text.ends_with('\n') ? "" : "\n");
}

} // namespace lk
