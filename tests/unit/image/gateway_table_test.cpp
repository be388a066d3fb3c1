// SPDX-License-Identifier: MIT
#include "image/gateway_table.h"

#include <arpa/inet.h>

#include <functional>
#include <random>

#include "image_helpers.h"

namespace lk {
namespace {

using test::find;

lk_set_addr v4(std::uint32_t set, std::uint32_t host_order) {
    return {set, {{0, 0, htonl(0xffff), htonl(host_order)}}};
}

lk_set_addr v6(std::uint32_t set, std::uint64_t network, std::uint64_t host) {
    return {set,
            {{htonl(static_cast<std::uint32_t>(network >> 32)), htonl(static_cast<std::uint32_t>(network)),
              htonl(static_cast<std::uint32_t>(host >> 32)), htonl(static_cast<std::uint32_t>(host))}}};
}

std::vector<lk_gw_row> rows(unsigned count, const std::function<lk_set_addr(std::uint32_t)> &key) {
    std::vector<lk_gw_row> made;
    for (std::uint32_t i = 0; i < count; ++i) {
        lk_gw_row row{key(i), {}};
        row.gw.port_set = i + 1; // to tell them apart
        made.push_back(row);
    }
    return made;
}

// Every row is found, and one that is not there is not, wherever its home is.
void expect_whole(const std::vector<lk_gw_row> &rows, const GatewayTable &table, const char *what) {
    ASSERT_EQ(table.rows.size(), LK_GW_PLACES(table.bits)) << what;
    std::size_t used = 0, lost = 0, wrong = 0;
    for (const auto &row : table.rows)
        used += row.key.set != 0;
    EXPECT_EQ(used, rows.size()) << what;
    for (const auto &row : rows) {
        const auto *gw = find(table, row.key);
        lost += gw == nullptr;
        wrong += gw != nullptr && gw->port_set != row.gw.port_set;
        auto other = row.key;
        other.set += 1u << 30;
        wrong += find(table, other) != nullptr;
    }
    EXPECT_EQ(lost, 0u) << what;
    EXPECT_EQ(wrong, 0u) << what;
}

// The kernel's search ends at a free place: none may lie between a row and its home.
void expect_no_gaps(const GatewayTable &table, const char *what) {
    for (std::size_t place = 0; place < table.rows.size(); ++place) {
        const auto &key = table.rows[place].key;
        if (key.set == 0) continue;
        for (auto at = static_cast<std::size_t>(lk_gw_home(key.set, &key.addr, table.bits)); at < place; ++at)
            ASSERT_NE(table.rows[at].key.set, 0u) << what << ": free place " << at << " before " << place;
    }
}

} // namespace

TEST(GatewayTable, NothingNeedsNone) {
    const auto table = lay_out({});
    ASSERT_TRUE(table);
    EXPECT_EQ(table->bits, 0);
    EXPECT_TRUE(table->rows.empty());
}

TEST(GatewayTable, HoldsWhatPeopleMayGiveItAndStaysSmall) {
    std::mt19937_64 random{7};
    const struct {
        const char *what;
        std::function<lk_set_addr(std::uint32_t)> key;
    } kinds[] = {
        {"one network", [](std::uint32_t i) { return v4(1, 0x0a000000 + i); }},
        {"one of each /24", [](std::uint32_t i) { return v4(1, 0x0a000001 + (i << 8)); }},
        {"one of each /12", [](std::uint32_t i) { return v4(1, (i << 20) + (i >> 12)); }},
        {"anywhere", [&](std::uint32_t) { return v4(1, static_cast<std::uint32_t>(random())); }},
        {"one v6 network", [](std::uint32_t i) { return v6(1, 0x20010db800000000, i); }},
        {"a v6 network each", [](std::uint32_t i) { return v6(1, 0x20010db800000000 + i, 1); }},
        {"v6 with the same in both halves", [](std::uint32_t i) { return v6(1, i, i); }},
        {"the same gateway of many policies", [](std::uint32_t i) { return v4(i + 1, 0xc6336407); }},
        {"ten gateways of many policies",
         [](std::uint32_t i) { return v4(i / 10 + 1, 0xc6336407 + i % 10); }},
    };
    for (const auto &kind : kinds)
        for (const unsigned count : {1u, 2u, 3u, 100u, 1000u, 10'000u, 100'000u, 200'000u}) {
            auto given = rows(count, kind.key);
            const auto by_key = [](const lk_gw_row &a, const lk_gw_row &b) {
                return std::memcmp(&a.key, &b.key, sizeof a.key) < 0;
            };
            std::sort(given.begin(), given.end(), by_key);
            given.erase(std::unique(given.begin(), given.end(),
                                    [&](const auto &a, const auto &b) { return !by_key(a, b); }),
                        given.end());
            const auto table = lay_out(given);
            ASSERT_TRUE(table) << kind.what << ' ' << count;
            expect_whole(given, *table, kind.what);
            expect_no_gaps(*table, kind.what);
            EXPECT_LE(table->rows.size(), 8 * given.size() + LK_GW_PROBES + 1) << kind.what << ' ' << count;
        }
}

TEST(GatewayTable, WhatFallsTogetherMakesItLargerAndAtLastAnError) {
    // Keys whose home is the same however many bits it has.
    const auto crowd = [](std::size_t count) {
        std::vector<lk_gw_row> made;
        const auto first = v4(1, 1);
        const auto home = lk_gw_home(1, &first.addr, LK_GW_MAX_BITS);
        for (std::uint32_t i = 1; made.size() < count; ++i) {
            const lk_gw_row row{v4(1, i), {}};
            if (lk_gw_home(1, &row.key.addr, LK_GW_MAX_BITS) == home) made.push_back(row);
        }
        return made;
    };
    const auto most = crowd(LK_GW_PROBES);
    const auto table = lay_out(most);
    ASSERT_TRUE(table);
    expect_no_gaps(*table, "crowd");
    for (const auto &row : most)
        EXPECT_NE(find(*table, row.key), nullptr);
    EXPECT_FALSE(lay_out(crowd(LK_GW_PROBES + 1)));
}

} // namespace lk
