// SPDX-License-Identifier: MIT
#include "harness/part.h"

#include <fnmatch.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <map>
#include <sstream>
#include <stdexcept>

#include <gtest/gtest.h>

namespace lk::harness {
namespace {

// FNV-1a (draft-eastlake-fnv), folded: its lowest bits alone are not mixed well.
std::uint64_t digest(const std::string &text) {
    std::uint64_t value = 0xcbf29ce484222325ull;
    for (const unsigned char byte : text)
        value = (value ^ byte) * 0x100000001b3ull;
    return value ^ value >> 32;
}

} // namespace

std::vector<std::string> of_other_parts(const std::vector<TestName> &tests, const std::string &part) {
    const auto colon = part.find(':');
    const std::string whole = colon == std::string::npos ? "" : part.substr(colon + 1);
    unsigned index = 0, count = 0;
    if (std::sscanf(part.c_str(), "%u/%u", &index, &count) != 2 || index >= count)
        throw std::runtime_error(
            fmt::format("LK_PART: \"{}\", expected INDEX/COUNT[:TEXT], such as 0/4", part));
    std::map<std::string, std::vector<std::string>> kinds;
    for (const TestName &test : tests) {
        if (!whole.empty() && test.full().find(whole) != std::string::npos) continue;
        const auto end = test.test.find_first_of("./");
        kinds[end == std::string::npos ? test.suite : test.full().substr(0, test.suite.size() + 1 + end)]
            .push_back(test.full());
    }
    std::vector<std::string> others;
    for (auto &[kind, names] : kinds) {
        std::ranges::sort(names, {}, digest);
        for (std::size_t i = 0; i < names.size(); ++i)
            if ((digest(kind) + i) % count != index) others.push_back(names[i]);
    }
    if (!others.empty() && others.size() == tests.size())
        others.erase(others.begin() + static_cast<std::ptrdiff_t>(index % others.size()));
    return others;
}

bool is_left_out(const std::string &name, const std::string &filter) {
    const auto minus = filter.find('-');
    if (minus == std::string::npos) return false;
    std::istringstream patterns(filter.substr(minus + 1));
    for (std::string pattern; std::getline(patterns, pattern, ':');)
        if (fnmatch(pattern.c_str(), name.c_str(), 0) == 0) return true;
    return false;
}

void keep_part(const std::string &part) {
    std::vector<TestName> tests;
    const std::string filter = GTEST_FLAG_GET(filter);
    const testing::UnitTest &all = *testing::UnitTest::GetInstance();
    for (int i = 0; i < all.total_test_suite_count(); ++i)
        for (int j = 0; j < all.GetTestSuite(i)->total_test_count(); ++j) {
            TestName test{all.GetTestSuite(i)->name(), all.GetTestSuite(i)->GetTestInfo(j)->name()};
            if (!is_left_out(test.full(), filter)) tests.push_back(std::move(test));
        }
    const auto others = of_other_parts(tests, part);
    if (others.empty()) return;
    const char *before = filter.find('-') == std::string::npos ? "-" : ":";
    GTEST_FLAG_SET(filter, fmt::format("{}{}{}", filter, before, fmt::join(others, ":")));
}

} // namespace lk::harness
