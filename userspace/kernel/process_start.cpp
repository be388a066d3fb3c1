// SPDX-License-Identifier: MIT
#include "kernel/process_start.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <array>

#include "base/fd.h"
#include "base/text.h"

namespace lk {

std::optional<std::uint64_t> start_ticks_in(std::string_view stat) {
    const auto name_end = stat.rfind(')');
    if (name_end == std::string_view::npos) return std::nullopt;
    stat.remove_prefix(name_end + 1);
    // Each field from the third on follows a space.
    for (int field = 3; field <= 22; ++field) {
        const auto space = stat.find(' ');
        if (space == std::string_view::npos) return std::nullopt;
        stat.remove_prefix(space + 1);
    }
    return parse_decimal(stat.substr(0, stat.find(' ')));
}

std::optional<std::uint64_t> process_start_ticks(pid_t pid) {
    const Fd file{::open(fmt::format("/proc/{}/stat", pid).c_str(), O_RDONLY | O_CLOEXEC)};
    std::array<char, 1024> text{};
    const auto length = file ? ::read(file.get(), text.data(), text.size()) : -1;
    if (length <= 0) return std::nullopt;
    return start_ticks_in({text.data(), static_cast<std::size_t>(length)});
}

} // namespace lk
