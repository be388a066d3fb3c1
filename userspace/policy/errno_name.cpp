// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/text.h"
#include "policy/policy.h"

namespace lk {

namespace {

struct Name {
    int number;
    std::string_view text;
};
constexpr std::array names{
    Name{ECONNREFUSED, "ECONNREFUSED"},
    Name{EPERM, "EPERM"},
    Name{EACCES, "EACCES"},
    Name{ENETUNREACH, "ENETUNREACH"},
    Name{EHOSTUNREACH, "EHOSTUNREACH"},
    Name{ETIMEDOUT, "ETIMEDOUT"},
};
static_assert(Errno{}.number == ECONNREFUSED);

} // namespace

Result<Errno> Errno::parse(std::string_view text) {
    const auto found = std::ranges::find(names, text, &Name::text);
    if (found != names.end()) return Errno{found->number};
    return bad_input(fmt::format("{} is no error that a refused call can give: expected ECONNREFUSED, EPERM, "
                                 "EACCES, ENETUNREACH, EHOSTUNREACH or ETIMEDOUT",
                                 quote(text)));
}

std::string_view Errno::str() const {
    const auto found = std::ranges::find(names, number, &Name::number);
    return found == names.end() ? "ECONNREFUSED" : found->text;
}

} // namespace lk
