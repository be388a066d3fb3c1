// SPDX-License-Identifier: MIT
// Who may talk to anything: users and fwmarks as given on the command line.
#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>

#include "base/text.h"
#include "policy/policy.h"

namespace lk {
namespace {

Result<uid_t> uid_of(const std::string &name) {
    std::vector<char> buffer(1024);
    for (;;) {
        passwd entry{};
        passwd *found = nullptr;
        const int error = getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
        if (found) return found->pw_uid;
        if (error == EINTR) continue;
        if (error == ERANGE && buffer.size() < (1u << 20)) {
            buffer.resize(buffer.size() * 2);
            continue;
        }
        // The man page lets "not found" come as several errors; these are the ones that mean trouble.
        if (error == EIO || error == EMFILE || error == ENFILE || error == ENOMEM || error == ERANGE)
            return failure(fmt::format("cannot look up the user {}: {}", quote(name), std::strerror(error)));
        return bad_input(
            fmt::format("there is no user {}: expected a user of this machine (getent passwd) or "
                        "a user number",
                        quote(name)));
    }
}

} // namespace

Result<VpnUser> VpnUser::parse(std::string_view text) {
    if (text.empty() || text.find('\0') != text.npos)
        return bad_input(
            fmt::format("the VPN user {} is no name: expected a user or a user number", quote(text)));
    VpnUser user{0, std::string(text)};
    if (text.find_first_not_of("0123456789") == text.npos) {
        const auto number = parse_decimal(text);
        if (!number || *number >= std::numeric_limits<uid_t>::max())
            return bad_input(fmt::format("the VPN user {} is no user number: expected 1 to 4294967294, "
                                         "without leading zeros",
                                         quote(text)));
        user.uid = static_cast<uid_t>(*number);
    } else {
        auto uid = uid_of(user.name);
        if (!uid) return uid.error();
        user.uid = *uid;
    }
    if (auto fits = check_vpn_uid(user); !fits) return fits.error();
    return user;
}

Result<void> check_vpn_uid(const VpnUser &user) {
    if (user.uid == 0)
        return bad_input(
            fmt::format("the VPN user {} is uid 0: the kernel's own packets carry it too, so everything "
                        "that the kernel sends by itself would pass. Start the daemon as a user of its "
                        "own, or name its cgroup with --vpn-cgroup",
                        quote(user.name)));
    if (user.uid == 65534)
        return bad_input(
            fmt::format("the VPN user {} is uid 65534: every forwarded packet shows it, so containers "
                        "and guests would pass. Start the daemon as a user of its own, or name its "
                        "cgroup with --vpn-cgroup",
                        quote(user.name)));
    if (user.uid == std::numeric_limits<uid_t>::max())
        return bad_input(
            fmt::format("the VPN user {} is uid 4294967295, which stands for no user: expected 1 to "
                        "4294967294",
                        quote(user.name)));
    return {};
}

Result<Fwmark> Fwmark::parse(std::string_view text) {
    constexpr auto form = "expected VALUE[/MASK], decimal or 0x, up to 0xffffffff";
    const auto slash = text.find('/');
    const auto value = parse_number(text.substr(0, slash));
    std::optional<std::uint64_t> mask = 0xffffffff;
    if (slash != text.npos) mask = parse_number(text.substr(slash + 1));
    if (!value || !mask || *value > 0xffffffff || *mask > 0xffffffff)
        return bad_input(fmt::format("the mark {} is no mark: {}", quote(text), form));
    if (*value == 0)
        return bad_input(
            fmt::format("the mark {} is 0, which every packet without a mark has: {}", quote(text), form));
    if (*value & ~*mask)
        return bad_input(fmt::format("the mark {} has bits outside its mask: expected a value within {:#x}",
                                     quote(text), *mask));
    return Fwmark{static_cast<std::uint32_t>(*value), static_cast<std::uint32_t>(*mask)};
}

std::string Fwmark::str() const {
    return mask == 0xffffffff ? fmt::format("{:#x}", value) : fmt::format("{:#x}/{:#x}", value, mask);
}

} // namespace lk
