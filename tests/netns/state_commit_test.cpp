// SPDX-License-Identifier: MIT
// commit: which rows are there afterwards, that nothing changes where it fails, and how long it takes.
#include <fmt/format.h>

#include <atomic>
#include <map>
#include <thread>

#include "image/gateway_table.h"
#include "kernel/kernel_maps.h"
#include "kernel/swept_mark.h"
#include "netns/state_world.h"

using namespace lk;
using namespace lk::harness;

namespace {

// A world with a State, and a look into its maps beside it.
struct Committed {
    explicit Committed(const std::string &name)
        : world(name), state(attached_state(world, gateway_text)), maps(open_maps()) {}
    ~Committed() {
        remove_all_closing(world, [&] {
            { const auto closed = std::move(maps); }
            return std::move(state);
        }());
    }

    Pins pins() const { return Pins{world.place().directory()}; }
    KernelMaps open_maps() const { return must(KernelMaps::open(pins().maps())); }
    bool is_swept() const { return lk::is_swept(pins(), maps.epoch(), maps.next_id()); }
    std::uint32_t commit(const MapImage &image) {
        return must(state.commit(image, document_named("commit")));
    }
    lk_dev device() const {
        lk_dev found{};
        must(maps.devs.for_each([&](__u32, const lk_dev &dev) {
            if (dev.epoch == state.epoch() && dev.ifindex == static_cast<__u32>(ifindex)) found = dev;
        }));
        return found;
    }
    // Rows of each set in a map.
    template <typename Key, typename Value>
    static std::map<std::uint32_t, unsigned> sets(const Map<Key, Value> &map) {
        std::map<std::uint32_t, unsigned> count;
        must(map.for_each([&](const Key &key, const Value &) { ++count[key.set]; }));
        return count;
    }

    static std::map<std::uint32_t, unsigned> sets(const GatewayTables &tables) {
        std::map<std::uint32_t, unsigned> count;
        must(tables.for_each([&](std::uint8_t, const lk_gw_row &row) { ++count[row.key.set]; }));
        return count;
    }

    StateWorld world;
    int ifindex = world.uplink();
    State state;
    KernelMaps maps;
};

using Sets = std::map<std::uint32_t, unsigned>;

} // namespace

// A process that was killed just before its flip leaves its table in the place that the next one needs, and
// no new epoch that would tell of it.
TEST(StateCommit, TakesThePlaceOfOneThatDiedBeforeItsFlip) {
    Committed here{"died"};
    const std::uint32_t id = here.maps.next_id();
    here.maps.set_next_id(id + 1);
    lk_gw_row row{};
    row.key.set = id;
    row.key.addr = must(Address::parse(other_text)).abi();
    row.gw.any = 1;
    const auto number = here.maps.gw.free_number();
    ASSERT_TRUE(number);
    must(here.maps.gw.put(*number, lay_out({row}).value()));

    here.commit(image_for(here.ifindex, other_text));
    EXPECT_FALSE(here.sets(here.maps.gw).contains(id));
    EXPECT_TRUE(here.maps.gw.free_number());
    here.world.inside([&] { EXPECT_TRUE(here.world.passes(other_text)); });
}

TEST(StateCommit, WritesTheRecordsOfItsEpochOnly) {
    Committed here{"records"};
    EXPECT_EQ(here.state.epoch(), 1u);
    const auto first = here.device();
    EXPECT_NE(first.policy.gw_set, 0u);
    lk_host host{};
    ASSERT_TRUE(here.maps.hosts.lookup(1, host));
    EXPECT_EQ(host.epoch, 1u);
    EXPECT_EQ(host.netns_cookie, here.world.place().netns_cookie);
    EXPECT_EQ(host.policy.gw_set, first.policy.gw_set);

    auto image = image_for(here.ifindex, gateway_text);
    image.devices.clear();
    EXPECT_EQ(here.commit(image), 2u);
    EXPECT_EQ(here.device().ifindex, 0u);
    EXPECT_FALSE(here.world.passes(gateway_text)) << "an uplink without a record is closed";
    here.commit(image_for(here.ifindex, gateway_text));
    EXPECT_EQ(here.commit(image_for(here.ifindex, gateway_text)), 4u);
    unsigned records = 0;
    must(here.maps.devs.for_each([&](__u32, const lk_dev &dev) { records += dev.epoch == 4 ? 1 : 0; }));
    EXPECT_EQ(records, 1u);
    EXPECT_TRUE(here.world.passes(gateway_text));
}

TEST(StateCommit, SetsThatDidNotChangeKeepTheirIds) {
    Committed here{"ids"};
    auto image = image_for(here.ifindex, many_gateways(50));
    image.net_sets[0] = {{Prefix::parse("10.9.0.0/16").value(), LK_NET_LAN}};
    here.commit(image);
    const auto first = here.device();
    EXPECT_EQ(Committed::sets(here.maps.gw), (Sets{{first.policy.gw_set, 50}}));
    image.net_sets[0].push_back({Prefix::parse("10.10.0.0/16").value(), LK_NET_LAN});
    here.commit(image);
    const auto second = here.device();
    EXPECT_EQ(second.policy.gw_set, first.policy.gw_set);
    EXPECT_GT(second.net_set, first.net_set);
    EXPECT_EQ(Committed::sets(here.maps.net), (Sets{{second.net_set, 2}}));
    EXPECT_EQ(second.policy.gw_table, first.policy.gw_table) << "nor is the table made anew";
    image.gateway_sets[0].hosts.pop_back();
    here.commit(image);
    const auto third = here.device();
    EXPECT_GT(third.policy.gw_set, second.net_set) << "an id is never used again";
    EXPECT_EQ(Committed::sets(here.maps.gw), (Sets{{third.policy.gw_set, 49}}));
    EXPECT_NE(third.policy.gw_table, second.policy.gw_table);
}

TEST(StateCommit, TwoProcessesThatTakeTurnsLeaveNoRowsBehind) {
    Committed here{"turns"};
    here.world.inside([&] {
        auto other = must(State::find(here.world.place()));
        ASSERT_TRUE(other);
        for (unsigned turn = 1; turn <= 4; ++turn) {
            must(other->commit(image_for(here.ifindex, many_gateways(10 + turn)), document_named("other")));
            EXPECT_EQ(Committed::sets(here.maps.gw), (Sets{{here.device().policy.gw_set, 10 + turn}}));
            here.commit(image_for(here.ifindex, many_gateways(20 + turn)));
            EXPECT_EQ(Committed::sets(here.maps.gw), (Sets{{here.device().policy.gw_set, 20 + turn}}));
        }
    });
    EXPECT_TRUE(here.world.passes("10.0.0.24"));
    EXPECT_FALSE(here.world.passes("10.0.0.25"));
}

TEST(StateCommit, RowsThatACrashLeftAreRemoved) {
    Committed here{"left"};
    const auto number = here.maps.gw.free_number();
    ASSERT_TRUE(number);
    const lk_set_addr crashed{4711, Address::parse("10.0.0.1").value().abi()};
    must(here.maps.gw.put(*number, lay_out({{crashed, lk_gw{}}}).value()));
    EXPECT_FALSE(here.maps.gw.free_number());
    must(here.maps.gw_port.put({4712, 1, 6, 0}, 1));
    must(here.maps.net.put({LK_SET_BITS + 128, 4713, Address::parse("10.0.0.1").value().abi()}, 1));
    here.world.inside([&] {
        auto fresh = must(State::find(here.world.place()));
        must(fresh->commit(image_for(here.ifindex, gateway_text), document_named("fresh")));
    });
    EXPECT_EQ(Committed::sets(here.maps.gw), (Sets{{here.device().policy.gw_set, 1}}));
    EXPECT_TRUE(here.maps.gw.free_number());
    EXPECT_TRUE(Committed::sets(here.maps.gw_port).empty());
    EXPECT_TRUE(Committed::sets(here.maps.net).empty());
}

// What the next process goes by, instead of waiting and looking.
TEST(StateCommit, SaysThatNothingIsLeft) {
    Committed here{"swept"};
    EXPECT_TRUE(here.is_swept()) << "the first";
    here.commit(image_for(here.ifindex, other_text));
    EXPECT_TRUE(here.is_swept()) << "by what it remembers";
    here.world.inside([&] {
        auto other = must(State::find(here.world.place()));
        must(other->commit(image_for(here.ifindex, gateway_text), document_named("other")));
    });
    EXPECT_TRUE(here.is_swept()) << "by another process";
    EXPECT_TRUE(here.maps.gw.free_number());
    EXPECT_EQ(Committed::sets(here.maps.gw), (Sets{{here.device().policy.gw_set, 1}}));

    here.maps.set_epoch(here.maps.epoch() + 2);
    EXPECT_FALSE(here.is_swept()) << "somebody flipped, and knew no note";
    here.maps.set_epoch(here.maps.epoch() - 2);
    here.maps.set_next_id(here.maps.next_id() + 1);
    EXPECT_FALSE(here.is_swept()) << "somebody began one";
    here.commit(image_for(here.ifindex, other_text));
    EXPECT_TRUE(here.is_swept());
    must(forget_swept(here.pins()));
    EXPECT_FALSE(here.is_swept());
    must(remove_pin(here.pins().maps() + "/lk_swept"));
    EXPECT_FALSE(here.is_swept()) << "as an older build leaves it";
    here.commit(image_for(here.ifindex, gateway_text));
    EXPECT_TRUE(here.is_swept());
    EXPECT_TRUE(here.world.passes(gateway_text));
}

TEST(StateCommit, EndpointsBeyondTheInlineOnesHold) {
    Committed here{"ports"};
    auto image = image_for(here.ifindex, many_gateways(3));
    for (auto &row : image.gateway_sets[0].hosts) {
        row.any = false;
        for (std::uint16_t port = 1; port <= 6; ++port)
            row.endpoints.push_back({17, port, true});
        row.endpoints.push_back({17, 51820, true});
    }
    here.commit(image);
    EXPECT_TRUE(here.world.passes("10.0.0.2"));
    EXPECT_FALSE(here.world.passes("10.0.0.4"));
    const auto ports = Committed::sets(here.maps.gw_port);
    ASSERT_EQ(ports.size(), 1u) << "rows with the same endpoints share them";
    EXPECT_EQ(ports.begin()->second, 2u);
    for (auto &row : image.gateway_sets[0].hosts)
        row.endpoints.pop_back();
    here.commit(image);
    EXPECT_FALSE(here.world.passes("10.0.0.2"));
    EXPECT_EQ(Committed::sets(here.maps.gw_port).begin()->second, 1u);
    here.commit(image_for(here.ifindex, gateway_text));
    EXPECT_TRUE(Committed::sets(here.maps.gw_port).empty());
}

TEST(StateCommit, PrefixesHold) {
    Committed here{"nets"};
    auto image = image_for(here.ifindex, gateway_text);
    image.gateway_sets[0].nets.push_back({Prefix::parse("10.1.2.0/24").value(), true, {}});
    image.devices[0].record.policy.flags |= LK_POLICY_GW_NETS;
    here.commit(image);
    EXPECT_TRUE(here.world.passes("10.1.2.255"));
    EXPECT_FALSE(here.world.passes("10.1.3.0"));
}

TEST(StateCommit, AFullTableIsAnErrorAndTheOldPolicyHolds) {
    Committed here{"full"};
    const auto before = Committed::sets(here.maps.gw);
    auto image = image_for(here.ifindex, many_gateways(10));
    for (const auto &address : many_gateways(262'145))
        image.gateway_sets[0].nets.push_back({Prefix::host(address), true, {}});
    const auto failed = here.state.commit(image, document_named("full"));
    ASSERT_FALSE(failed);
    EXPECT_NE(failed.error().message.find("lk_gw_net is full"), std::string::npos) << failed.error().message;
    EXPECT_EQ(here.state.epoch(), 1u);
    EXPECT_FALSE(here.is_swept()) << "the next one looks for itself";
    EXPECT_EQ(Committed::sets(here.maps.gw), before) << "what was written is taken back";
    EXPECT_TRUE(Committed::sets(here.maps.gw_net).empty());
    EXPECT_EQ(name_of(must(here.state.document())), gateway_text);
    EXPECT_TRUE(here.world.passes(gateway_text));
    EXPECT_FALSE(here.world.passes(other_text));
    EXPECT_EQ(here.commit(image_for(here.ifindex, other_text)), 2u);
    EXPECT_TRUE(here.world.passes(other_text));
}

TEST(StateCommit, TooManyDevicesAreAnErrorAndTheOldPolicyHolds) {
    Committed here{"devices"};
    const auto refused = [&](unsigned count, unsigned step) {
        auto image = image_for(here.ifindex, other_text);
        const auto row = image.devices[0];
        image.devices.clear();
        for (unsigned i = 0; i < count; ++i) {
            image.devices.push_back(row);
            image.devices.back().record.ifindex = 7 + i * step;
        }
        return !here.state.commit(image, document_named("devices"));
    };
    EXPECT_TRUE(refused(LK_DEV_SLOTS + 1, 1));
    EXPECT_TRUE(refused(LK_DEV_PROBES + 1, LK_DEV_SLOTS));
    EXPECT_EQ(here.state.epoch(), 1u);
    EXPECT_TRUE(here.world.passes(gateway_text));
    EXPECT_FALSE(refused(LK_DEV_PROBES, LK_DEV_SLOTS));
    EXPECT_FALSE(refused(LK_DEV_SLOTS, 1));
}

TEST(StateCommit, TheEpochAfterTheLastIsNotZero) {
    Committed here{"wrap"};
    here.maps.set_epoch(UINT32_MAX);
    EXPECT_EQ(here.commit(image_for(here.ifindex, other_text)), 2u);
    EXPECT_TRUE(here.world.passes(other_text));
    EXPECT_FALSE(here.world.passes(gateway_text));
}

TEST(StateCommit, ALongDocumentComesBackWhole) {
    Committed here{"long"};
    Document document = document_named("long");
    for (const auto &address : many_gateways(100'000))
        document.scopes[0].policy.gateways.push_back({Prefix::host(address), Protocol::udp, 51820});
    must(here.state.commit(image_for(here.ifindex, gateway_text), document));
    EXPECT_TRUE(must(here.state.document()) == document);
    EXPECT_FALSE(path_exists(Pins{here.world.place().directory()}.document(1)));
}

// What is in force can be read at any time, though each commit takes the document before away.
TEST(StateCommit, ADocumentIsReadWhileOthersTakeItsPlace) {
    Committed here{"reads"};
    here.world.inside([&] {
        const auto image = image_for(here.ifindex, gateway_text);
        auto reader = must(State::find(here.world.place()));
        ASSERT_TRUE(reader);
        std::atomic<bool> done = false;
        std::jthread commits([&] {
            for (int i = 0; i < 300; ++i)
                here.commit(image);
            done = true;
        });
        while (!done)
            EXPECT_EQ(must(reader->document()).scopes.size(), 1u);
    });
}

TEST(StateCommit, HundredThousandGateways) {
    Committed here{"time"};
    auto image = image_for(here.ifindex, many_gateways(100'000));
    const auto timed = [&](const char *what, State &state) {
        const auto begin = std::chrono::steady_clock::now();
        must(state.commit(image, document_named("time")));
        const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
        fmt::print("commit of 100,000 gateways, {}: {:.0f} ms\n", what, took.count());
    };
    timed("all new", here.state);
    timed("unchanged", here.state);
    image.gateway_sets[0].hosts.back().any = false;
    timed("one of them other", here.state);
    here.world.inside([&] {
        auto fresh = must(State::find(here.world.place()));
        timed("by another process", *fresh);
    });
    EXPECT_EQ(Committed::sets(here.maps.gw), (Sets{{here.device().policy.gw_set, 100'000}}));
    EXPECT_TRUE(here.world.passes("10.0.0.1"));
    EXPECT_FALSE(here.world.passes(gateway_text));
}
