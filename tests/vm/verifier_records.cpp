// SPDX-License-Identifier: MIT
#include "vm/verifier_records.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sstream>

#include <fmt/format.h>

namespace lk::vm {

namespace {

constexpr long no_number = -1;
constexpr long most_instructions = 1'000'000; // BPF_COMPLEXITY_LIMIT_INSNS

std::string text(Version kernel) {
    return fmt::format("{}.{}", kernel.first, kernel.second);
}

} // namespace

Records::Records(std::istream &lines, const std::string &clang) {
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string kernel, its_clang, object, program, instructions;
        Version version;
        if (words >> kernel >> its_clang >> object >> program >> instructions && its_clang == clang &&
            std::sscanf(kernel.c_str(), "%d.%d", &version.first, &version.second) == 2)
            by_kernel_[version][object + " " + program] =
                instructions == "refused" ? no_number : std::atol(instructions.c_str());
    }
}

bool Records::refused(Version kernel, const std::string &object) const {
    const auto found = by_kernel_.find(kernel);
    return found != by_kernel_.end() && found->second.contains(object + " -");
}

Records::Limit Records::limit(Version kernel, const std::string &program) const {
    if (empty()) return {most_instructions / 2, "half of what kernels take"};
    const auto of = [&program](const auto &records) {
        const auto found = records.second.find(program);
        return found == records.second.end() ? 0 : found->second;
    };
    const std::pair<const Version, std::map<std::string, long>> *below = nullptr, *above = nullptr;
    for (const auto &records : by_kernel_) {
        if (of(records) == 0) continue;
        if (records.first == kernel) return {of(records) * 11 / 10, text(kernel)};
        if (records.first < kernel) below = &records;
        if (records.first > kernel && !above) above = &records;
    }
    const bool new_here = has(kernel) && !refused(kernel, program.substr(0, program.find(' ')));
    if (new_here || (!below && !above)) return {};
    if (!below || !above) {
        const auto &only = below ? *below : *above;
        return {of(only) * 5 / 3, text(only.first)};
    }
    return {std::max(of(*below), of(*above)) * 5 / 3,
            fmt::format("{} and {}", text(below->first), text(above->first))};
}

} // namespace lk::vm
