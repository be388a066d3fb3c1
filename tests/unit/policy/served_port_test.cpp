// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/policy.h"

namespace lk {
namespace {

using testing::HasSubstr;

TEST(ServedPort, Forms) {
    for (const char *text : {"tcp/22", "udp/65535", "tcp/1@203.0.113.0/24", "udp/53@2001:db8::/32",
                             "tcp/22@::/0", "tcp/22@0.0.0.0/0"}) {
        const auto service = ServedPort::parse(text);
        ASSERT_TRUE(service) << text;
        EXPECT_EQ(service->str(), text);
    }
    EXPECT_EQ(ServedPort::parse("tcp/22@203.0.113.7")->str(), "tcp/22@203.0.113.7");
    const auto ssh = ServedPort::parse("tcp/22");
    EXPECT_EQ(ssh->protocol, Protocol::tcp);
    EXPECT_EQ(ssh->port, 22);
    EXPECT_FALSE(ssh->from);
}

TEST(ServedPort, BadOnes) {
    const struct {
        std::string text, says;
    } rows[] = {
        {"", "no protocol and port"},
        {"22", "no protocol and port"},
        {"tcp", "no protocol and port"},
        {"/22", "the protocol \"\""},
        {"sctp/22", "the protocol \"sctp\""},
        {"TCP/22", "the protocol \"TCP\""},
        {"tcp/", "the port \"\""},
        {"tcp/0", "the port \"0\""},
        {"tcp/65536", "the port \"65536\""},
        {"tcp/ssh", "the port \"ssh\""},
        {"tcp/-1", "the port \"-1\""},
        {"tcp/22@", "--serve \"tcp/22@\""},
        {"tcp/22@host", "\"host\""},
        {"tcp/22@10.0.0.1/8", "10.0.0.0/8"},
        {"tcp/22@10.0.0.0/8@::/0", "--serve"},
    };
    for (const auto &row : rows) {
        const auto service = ServedPort::parse(row.text);
        ASSERT_FALSE(service) << row.text;
        EXPECT_EQ(service.error().exit, Exit::bad_input);
        EXPECT_THAT(service.error().message, HasSubstr(row.says)) << row.text;
    }
}

TEST(ServedPort, InAPolicy) {
    Policy policy;
    for (const char *text : {"udp/1", "tcp/22", "udp/1", "tcp/22@10.0.0.0/8"})
        policy.services.push_back(*ServedPort::parse(text));
    policy = normalise(policy);
    EXPECT_EQ(policy.services.size(), 3u);
    EXPECT_TRUE(validate(policy)); // a machine that only answers
    policy.lockdown = true;
    EXPECT_THAT(validate(policy).error().message, HasSubstr("--serve tcp/22 was given"));
    policy.lockdown = false;
    for (std::uint16_t port = 1; port <= max_services; ++port)
        policy.services.push_back({Protocol::tcp, port, {}});
    EXPECT_THAT(validate(policy).error().message, HasSubstr("services of --serve"));
    policy.services = {{Protocol::esp, 1, {}}};
    EXPECT_FALSE(validate(policy));
    policy.services = {{Protocol::tcp, 0, {}}};
    EXPECT_FALSE(validate(policy));
}

} // namespace
} // namespace lk
