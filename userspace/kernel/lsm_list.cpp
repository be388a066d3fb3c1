// SPDX-License-Identifier: MIT
#include "kernel/lsm_list.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <sstream>

#include "base/fd.h"

namespace lk {

namespace {

std::optional<std::string> contents(const Fd &file) {
    if (!file) return std::nullopt;
    std::array<char, 1024> text{};
    const auto length = ::read(file.get(), text.data(), text.size());
    if (length < 0) return std::nullopt;
    return std::string(text.data(), static_cast<std::size_t>(length));
}

// A securityfs that is mounted nowhere and ends with its descriptor.
Fd own_securityfs() {
    const Fd context{static_cast<int>(::syscall(SYS_fsopen, "securityfs", FSOPEN_CLOEXEC))};
    if (!context) return Fd{};
    if (::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return Fd{};
    return Fd{static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, 0))};
}

} // namespace

std::vector<std::string> lsms_in(const std::string &text) {
    std::vector<std::string> names;
    std::istringstream words(text);
    for (std::string name; std::getline(words, name, ',');) {
        while (!name.empty() && (name.back() == '\n' || name.back() == ' '))
            name.pop_back();
        if (!name.empty()) names.push_back(name);
    }
    return names;
}

std::optional<std::vector<std::string>> active_lsms() {
    auto text = contents(Fd{::open("/sys/kernel/security/lsm", O_RDONLY | O_CLOEXEC)});
    if (!text) {
        const Fd root = own_securityfs();
        if (root) text = contents(Fd{::openat(root.get(), "lsm", O_RDONLY | O_CLOEXEC)});
    }
    if (!text) return std::nullopt;
    return lsms_in(*text);
}

} // namespace lk
