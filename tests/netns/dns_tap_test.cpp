// SPDX-License-Identifier: MIT
// A tunnel that is an Ethernet (tap): queries find the resolver's MAC address by themselves, and answers lose
// the tunnel's header for the uplink's.
#include <sys/socket.h>

#include <gtest/gtest.h>

#include "dns_world.h"

using namespace lk;
using namespace lk::harness;

namespace {

class DnsTap : public DnsTest {
  protected:
    void make(const std::string &name, const std::vector<std::string> &resolvers) {
        DnsTest::make({.name = name, .tunnel = true, .tap = true, .responder = false}, resolvers,
                      {"--tunnel", "tun0"});
        resolver_ = start_resolver(world_->isp());
    }
};

TEST_F(DnsTap, BothFamilies) {
    make("dnstap", {resolver4.str(), resolver6.str()});
    for (const char *mode : {"0", "1"}) {
        filter_reverse_paths(mode);
        add_senders4();
        add_senders6();
        run();
    }
}

TEST_F(DnsTap, IPv6AskedAndOnlyAnIPv4Resolver) {
    make("dnstap64", {resolver4.str()});
    add_senders(public6, router6, tunneled6, Ip::of("2001:db8:f:8000::54"));
    run();
}

// A resolver beyond the tunnel's own network: by its gateway.
TEST_F(DnsTap, AResolverBehindARouter) {
    const Ip far4 = Ip::of("10.50.0.1"), far6 = Ip::of("2001:db8:50::1");
    make("dnstapfar", {far4.str(), far6.str()});
    world_->isp().ip("addr add 10.50.0.1/32 dev lo\naddr add 2001:db8:50::1/128 dev lo nodad");
    resolver_ = start_resolver(world_->isp(), {{far4}, {far6}});
    add_senders(public4, router4, tunneled4, far4);
    add_senders(public6, router6, tunneled6, far6);
    run();
}

TEST_F(DnsTap, LargeQueriesAndAnswersInFragments) {
    make("dnstapmtu", {resolver4.str(), resolver6.str()});
    const Bytes large(4000, 'q'), edns = "edns 4096" + ask_big;
    for (const Ip &ip : {public4, public6, tunneled4, tunneled6})
        for (const int type : {SOCK_STREAM, SOCK_DGRAM})
            for (const Bytes &query : {large, edns}) {
                if (type == SOCK_DGRAM && query == large) continue; // told how large it may be
                EXPECT_EQ(trouble_of([&] { ask({.type = type}, ip, query); }), "") << ip.str();
            }
}

TEST_F(DnsTap, DownAndUpAgain) {
    make("dnstapup", {resolver4.str(), resolver6.str()});
    goes_down_and_up();
}

} // namespace
