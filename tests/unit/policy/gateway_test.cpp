// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/policy.h"

namespace lk {
namespace {

using testing::HasSubstr;

struct Good {
    const char *text, *prefix;
    Protocol protocol;
    std::uint16_t port;
    const char *shown; // nullptr: as given
};

TEST(Gateway, TakesEveryForm) {
    const Good rows[] = {
        {"198.51.100.7", "198.51.100.7", Protocol::any, 0, nullptr},
        {"198.51.100.7/32", "198.51.100.7", Protocol::any, 0, "198.51.100.7"},
        {"198.51.100.0/24", "198.51.100.0/24", Protocol::any, 0, nullptr},
        {"198.51.100.7:1194", "198.51.100.7", Protocol::any, 1194, nullptr},
        {"198.51.100.7:1194/udp", "198.51.100.7", Protocol::udp, 1194, nullptr},
        {"198.51.100.7:443/tcp", "198.51.100.7", Protocol::tcp, 443, nullptr},
        {"198.51.100.0/24:65535/udp", "198.51.100.0/24", Protocol::udp, 65535, nullptr},
        {"198.51.100.7/esp", "198.51.100.7", Protocol::esp, 0, nullptr},
        {"198.51.100.0/24/esp", "198.51.100.0/24", Protocol::esp, 0, nullptr},
        {"2001:db8::7", "2001:db8::7", Protocol::any, 0, nullptr},
        {"[2001:db8::7]", "2001:db8::7", Protocol::any, 0, "2001:db8::7"},
        {"2001:db8::/32", "2001:db8::/32", Protocol::any, 0, nullptr},
        {"[2001:db8::7]:51820/udp", "2001:db8::7", Protocol::udp, 51820, nullptr},
        {"[2001:db8::7]:51820", "2001:db8::7", Protocol::any, 51820, nullptr},
        {"[2001:db8::/64]:51820/udp", "2001:db8::/64", Protocol::udp, 51820, nullptr},
        {"2001:db8::7/esp", "2001:db8::7", Protocol::esp, 0, nullptr},
        {"[2001:db8::7]/esp", "2001:db8::7", Protocol::esp, 0, "2001:db8::7/esp"},
        {"2001:db8::/64/esp", "2001:db8::/64", Protocol::esp, 0, nullptr},
        {"2001:db8::7:1194", "2001:db8::7:1194", Protocol::any, 0, nullptr}, // an address that parses is one
        {"198.51.100.7:53/udp", "198.51.100.7", Protocol::udp, 53, nullptr},
    };
    for (const auto &row : rows) {
        auto gateway = Gateway::parse(row.text);
        ASSERT_TRUE(gateway) << row.text << ": " << gateway.error().message;
        EXPECT_EQ(gateway->prefix.str(), row.prefix) << row.text;
        EXPECT_EQ(gateway->protocol, row.protocol) << row.text;
        EXPECT_EQ(gateway->port, row.port) << row.text;
        EXPECT_EQ(gateway->str(), row.shown ? row.shown : row.text);
        EXPECT_EQ(*Gateway::parse(gateway->str()), *gateway);
    }
}

struct Bad {
    const char *text, *quotes, *says;
};

void expect_refused(const Error &error, const Bad &row) {
    EXPECT_EQ(error.exit, Exit::bad_input) << row.text;
    EXPECT_THAT(error.message, HasSubstr(std::string("\"") + row.quotes)) << row.text;
    EXPECT_THAT(error.message, HasSubstr(row.says)) << row.text;
}

TEST(Gateway, RefusesWithTheTextAndWhatWasExpected) {
    const Bad rows[] = {
        {"", "", ""},
        {"vpn.example.com", "vpn.example.com", "getent ahosts vpn.example.com"},
        {"vpn.example.com:1194/udp", "vpn.example.com", "getent ahosts vpn.example.com"},
        {"cafe", "cafe", "getent ahosts cafe"},
        {"[vpn.example.com]:1194", "vpn.example.com", "getent ahosts vpn.example.com"},
        {"localhost", "localhost", "getent ahosts localhost"},
        {"198.51.100.7:0", "198.51.100.7:0", "expected 1 to 65535"},
        {"198.51.100.7:65536/udp", "198.51.100.7:65536/udp", "port \"65536\": expected 1 to 65535"},
        {"198.51.100.7:", "198.51.100.7:", "port \"\": expected 1 to 65535"},
        {"198.51.100.7:01194", "198.51.100.7:01194", "expected 1 to 65535"},
        {"198.51.100.7:openvpn", "198.51.100.7:openvpn", "expected 1 to 65535"},
        {"198.51.100.7:-1", "198.51.100.7:-1", "expected 1 to 65535"},
        {"[2001:db8::7]:0/udp", "[2001:db8::7]:0/udp", "expected 1 to 65535"},
        {"198.51.100.7:1194/sctp", "198.51.100.7:1194/sctp", "protocol \"sctp\": expected udp, tcp or esp"},
        {"198.51.100.7:1194/UDP", "198.51.100.7:1194/UDP", "expected udp, tcp or esp"},
        {"198.51.100.7/icmp", "198.51.100.7/icmp", "expected udp, tcp or esp"},
        {"198.51.100.7:1194/17", "198.51.100.7:1194/17", "expected 1 to 65535"},
        {"198.51.100.7/udp", "198.51.100.7/udp", "write 198.51.100.7:PORT/udp"},
        {"[2001:db8::7]/tcp", "[2001:db8::7]/tcp", "write [2001:db8::7]:PORT/tcp"},
        {"198.51.100.7:500/esp", "198.51.100.7:500/esp", "write 198.51.100.7/esp"},
        {"2001:db8::7:1194/udp", "2001:db8::7:1194", "write [2001:db8::7]:1194/udp"},
        {"2001:db8::1194/tcp", "2001:db8::1194", "write [2001:db8::1194]:PORT/tcp"},
        {"1:2:3:4:5:6:7:8:1194", "1:2:3:4:5:6:7:8:1194", "write [1:2:3:4:5:6:7:8]:1194"},
        {"2001:db8::7:51820", "2001:db8::7:51820", "write [2001:db8::7]:51820"},
        {"2001:db8::/64:1194", "2001:db8::/64:1194", "write [2001:db8::/64]:1194"},
        {"[2001:db8::7", "[2001:db8::7", "[ without a ]"},
        {"[2001:db8::7]1194", "[2001:db8::7]1194", "expected :PORT"},
        {"[2001:db8::]/64", "[2001:db8::]/64", "write [2001:db8::/64]"},
        {"[198.51.100.7]:1194", "[198.51.100.7]:1194", "write 198.51.100.7:1194"},
        {"[]", "", "not an IP address"},
        {"0.0.0.0/0", "0.0.0.0/0", "the whole Internet"},
        {"::/0", "::/0", "the whole Internet"},
        {"0.0.0.0/0:443/tcp", "0.0.0.0/0:443/tcp", "the whole Internet"},
        {"198.51.100.7/24", "198.51.100.7/24", "write 198.51.100.0/24"},
        {"[2001:db8::7/64]:1194", "2001:db8::7/64", "write 2001:db8::/64"},
        {"198.51.100.0/33", "198.51.100.0/33", "expected 0 to 32"},
        {"198.51.100.0/", "198.51.100.0/", "expected 0 to 32"},
        {"198.051.100.7", "198.051.100.7", "not an IP address"},
        {"198.51.100", "198.51.100", "not an IP address"},
        {"198.51.100.7x", "198.51.100.7x", "name"},
        {"0xc6336407", "0xc6336407", "not an IP address"},
        {"fe80::1%eth0", "fe80::1%eth0", "zone"},
        {" 198.51.100.7", " 198.51.100.7", "space"},
        {"198.51.100.7 :1194", "198.51.100.7 :1194", "space"},
        {"198.51.100.7\n", "198.51.100.7\\x0a", "space"},
        {"::ffff:198.51.100.7", "::ffff:198.51.100.7", "write 198.51.100.7"},
        {"-v", "-v", "not an IP address"},
        {"$(id)", "$(id)", "not an IP address"},
    };
    for (const auto &row : rows) {
        auto gateway = Gateway::parse(row.text);
        ASSERT_FALSE(gateway) << row.text;
        if (*row.text) expect_refused(gateway.error(), row);
    }
    EXPECT_THAT(Gateway::parse("").error().message, HasSubstr("empty"));
}

TEST(Gateway, NeverRepeatsWhatAShellWouldRun) {
    EXPECT_THAT(Gateway::parse("a;reboot").error().message, testing::Not(HasSubstr("getent")));
    EXPECT_THAT(Gateway::parse("a`id`").error().message, testing::Not(HasSubstr("getent")));
}

TEST(Resolver, TakesEveryForm) {
    const std::tuple<const char *, const char *, unsigned, const char *> rows[] = {
        {"10.42.0.1", "10.42.0.1", 53, "10.42.0.1"},
        {"10.42.0.1:53", "10.42.0.1", 53, "10.42.0.1"},
        {"127.0.0.1:5353", "127.0.0.1", 5353, "127.0.0.1:5353"},
        {"2001:db8::53", "2001:db8::53", 53, "2001:db8::53"},
        {"[2001:db8::53]", "2001:db8::53", 53, "2001:db8::53"},
        {"[2001:db8::53]:5353", "2001:db8::53", 5353, "[2001:db8::53]:5353"},
    };
    for (const auto &[text, address, port, shown] : rows) {
        auto resolver = Resolver::parse(text);
        ASSERT_TRUE(resolver) << text << ": " << resolver.error().message;
        EXPECT_EQ(resolver->address.str(), address);
        EXPECT_EQ(resolver->port, port);
        EXPECT_EQ(resolver->str(), shown);
    }
}

TEST(Resolver, RefusesWithTheTextAndWhatWasExpected) {
    const Bad rows[] = {
        {"dns.example.com", "dns.example.com", "getent ahosts dns.example.com"},
        {"10.42.0.0/24", "10.42.0.0/24", "is a prefix"},
        {"10.42.0.1:0", "10.42.0.1:0", "expected 1 to 65535"},
        {"10.42.0.1:65536", "10.42.0.1:65536", "expected 1 to 65535"},
        {"10.42.0.1:53/udp", "10.42.0.1:53/udp", "expected 1 to 65535"},
        {"1:2:3:4:5:6:7:8:53", "1:2:3:4:5:6:7:8:53", "write [1:2:3:4:5:6:7:8]:53"},
        {"10.42.0", "10.42.0", "not an IP address"},
        {"0.0.0.0", "0.0.0.0", "cannot be asked"},
        {"::", "::", "cannot be asked"},
        {"224.0.0.251", "224.0.0.251", "cannot be asked"},
        {"ff02::fb", "ff02::fb", "cannot be asked"},
        {"10.42.0.1 ", "10.42.0.1 ", "not an IP address"},
    };
    for (const auto &row : rows) {
        auto resolver = Resolver::parse(row.text);
        ASSERT_FALSE(resolver) << row.text;
        expect_refused(resolver.error(), row);
    }
    EXPECT_THAT(Resolver::parse("").error().message, HasSubstr("empty"));
}

} // namespace
} // namespace lk
