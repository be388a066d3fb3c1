// SPDX-License-Identifier: MIT
// The gate: every line of the page's table, every reason and every pair of (hook, row) has a case, and every
// case that passes has one beside it that does not.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "cases/cases.h"

namespace lk {
namespace {

struct Line {
    std::string label;             // "5", "8.4"
    std::set<std::string> reasons; // that the line names
};

std::string page() {
    std::ifstream in(LK_SOURCE_DIR "/docs/policy.md");
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

std::vector<std::string> cells(const std::string &line) {
    std::vector<std::string> out;
    std::stringstream in(line.substr(1));
    for (std::string cell; std::getline(in, cell, '|');) {
        const auto from = cell.find_first_not_of(' ');
        const auto to = cell.find_last_not_of(' ');
        out.push_back(from == cell.npos ? "" : cell.substr(from, to - from + 1));
    }
    return out;
}

// The lines of the table under "## The rows"; a line without a label belongs to the row above it.
std::vector<Line> page_lines() {
    std::vector<std::pair<std::string, std::vector<Line>>> rows;
    std::stringstream in(page());
    bool inside = false;
    for (std::string line; std::getline(in, line);) {
        if (line.rfind("## ", 0) == 0) inside = line.rfind("## The rows", 0) == 0;
        if (!inside || line.rfind("|", 0) != 0 || line.rfind("|---", 0) == 0) continue;
        const auto c = cells(line);
        if (c[0] == "#") continue;
        if (!c[0].empty()) rows.push_back({c[0], {}});
        Line l;
        static const std::regex word("`([a-z-]+)`");
        for (std::sregex_iterator it(c[2].begin(), c[2].end(), word), end; it != end; ++it)
            l.reasons.insert((*it)[1]);
        rows.back().second.push_back(l);
    }
    std::vector<Line> out;
    for (auto &[label, lines] : rows)
        for (std::size_t i = 0; i < lines.size(); ++i) {
            lines[i].label = lines.size() == 1 ? label : label + "." + std::to_string(i + 1);
            out.push_back(lines[i]);
        }
    return out;
}

bool ethernet_only(const std::string &row) {
    return row == "1.1" || row == "1.2";
}

bool ipv6_packet(const Case &c) {
    const Bytes &f = c.packet.frame;
    if (c.world.l3) return !f.empty() && f[0] >> 4 == 6;
    for (std::size_t at = 12; at + 1 < f.size(); at += 4) {
        if (f[at] == 0x86 && f[at + 1] == 0xdd) return true;
        if (f[at] != 0x81 && f[at] != 0x88) return false;
    }
    return false;
}

TEST(Gate, PageHasTheRowsThatWeKnow) {
    const auto lines = page_lines();
    ASSERT_GE(lines.size(), 20u) << "the table of docs/policy.md could not be read";
    EXPECT_EQ(lines.front().label, "0");
    EXPECT_EQ(lines.back().label, "12");
}

TEST(Gate, EveryLineOfThePageHasACaseOnBothSortsOfDevice) {
    std::map<std::string, std::set<bool>> l3_by_row;
    std::set<std::string> labels;
    for (const Case &c : all_cases())
        l3_by_row[c.row].insert(c.world.l3);
    for (const Line &line : page_lines()) {
        labels.insert(line.label);
        EXPECT_TRUE(l3_by_row[line.label].count(false)) << "row " << line.label << " has no case on Ethernet";
        if (ethernet_only(line.label)) continue;
        EXPECT_TRUE(l3_by_row[line.label].count(true))
            << "row " << line.label << " has no case on an L3 device";
    }
    for (const auto &[row, ignored] : l3_by_row)
        EXPECT_TRUE(labels.count(row)) << "cases name row " << row << ", which the page does not have";
}

TEST(Gate, EveryReasonOfALineHasACase) {
    std::set<std::pair<std::string, std::string>> have;
    for (const Case &c : all_cases())
        have.insert({c.row, reason_name(c.expected.reason)});
    for (const Line &line : page_lines())
        for (const std::string &reason : line.reasons)
            EXPECT_TRUE(have.count({line.label, reason}))
                << "row " << line.label << " has no case of " << reason;
}

TEST(Gate, ACaseGivesAReasonThatItsLineNames) {
    std::map<std::string, std::set<std::string>> named;
    for (const Line &line : page_lines())
        named[line.label] = line.reasons;
    for (const Case &c : all_cases()) {
        if (c.row == "F") continue; // a tail has its first fragment's reason
        EXPECT_TRUE(named[c.row].count(reason_name(c.expected.reason)))
            << c.name << ": row " << c.row << " does not give " << reason_name(c.expected.reason);
    }
}

TEST(Gate, RowsOfIpHaveBothFamilies) {
    std::map<std::string, std::set<bool>> v6_by_row;
    for (const Case &c : all_cases())
        v6_by_row[c.row].insert(ipv6_packet(c));
    for (const char *row : {"0", "2", "3", "4", "F", "5", "P", "B", "6.1", "6.2", "6.3", "6.4", "7.1", "7.2",
                            "9", "10", "11", "12"})
        EXPECT_EQ(v6_by_row[row].size(), 2u) << "row " << row << " lacks a family";
}

TEST(Gate, NamesAreUniqueAndThereAreEnough) {
    std::set<std::string> names, frames;
    for (const Case &c : all_cases()) {
        EXPECT_TRUE(names.insert(c.name).second) << c.name << " is there twice";
        if (c.name.find(".l3") == c.name.npos && c.name.find(".vlan") == c.name.npos) frames.insert(c.name);
    }
    EXPECT_GE(frames.size(), 250u);
}

// Reasons that the uplink gives; the others are the socket hooks'.
TEST(Gate, EveryReasonOfTheUplinkHasACase) {
    std::set<lk_reason> have;
    for (const Case &c : all_cases())
        have.insert(c.expected.reason);
    for (int reason = 0; reason < LK_REASONS; ++reason) {
        const bool elsewhere = reason == LK_BYPASS || reason == LK_OUT_OF_SCOPE || // socket hooks
                               reason == LK_DNS_PORTS || reason == LK_DNS_FLOW ||
                               reason == LK_DNS_SIZE; // tests/fuzz/lk_fuzz_dns
        EXPECT_EQ(have.count(static_cast<lk_reason>(reason)), elsewhere ? 0u : 1u)
            << reason_name(static_cast<lk_reason>(reason));
    }
}

} // namespace
} // namespace lk
