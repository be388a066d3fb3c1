// SPDX-License-Identifier: MIT
#include "control/oci.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/loopback_resolver.h"
#include "control/uid_map.h"

using namespace lk;
using testing::HasSubstr;

namespace {

std::string state(const std::string &annotations) {
    return R"({"ociVersion": "1.0.2", "id": "box", "status": "creating", "pid": 42, "bundle": "/b", "annotations": )" +
           annotations + "}";
}

TEST(Oci, AnnotationsAreThePolicy) {
    const auto container = parse_oci_state(
        state(R"({"org.leakbpf.gw": "198.51.100.7:1194/udp, 2001:db8::7", "org.leakbpf.dns": "10.42.0.1",
                  "org.leakbpf.lan": "10.0.0.0/8,192.168.0.0/16", "org.leakbpf.lan-names": "true",
                  "org.leakbpf.no-lan": "false", "org.leakbpf.errno": "EACCES", "org.example": "x"})"));
    ASSERT_TRUE(container) << container.error().message;
    EXPECT_EQ(container->id, "box");
    EXPECT_EQ(container->pid, 42);
    ASSERT_TRUE(container->policy);
    EXPECT_EQ(container->policy->gateways.size(), 2u);
    EXPECT_EQ(container->policy->resolvers.at(0).str(), "10.42.0.1");
    EXPECT_EQ(container->policy->lan.size(), 2u);
    EXPECT_TRUE(container->policy->lan_names);
    EXPECT_FALSE(container->policy->no_lan);
    EXPECT_EQ(container->policy->refusal.str(), "EACCES");
}

TEST(Oci, WithoutOursItIsNotOurs) {
    for (const char *annotations : {"{}", "null", R"({"org.leakbpfx.gw": "y", "gw": "z"})"}) {
        const auto container = parse_oci_state(state(annotations));
        ASSERT_TRUE(container) << annotations;
        EXPECT_FALSE(container->policy) << annotations;
    }
    const auto bare = parse_oci_state(R"({"id": "box", "pid": 42})");
    ASSERT_TRUE(bare);
    EXPECT_FALSE(bare->policy);
}

TEST(Oci, WhatIsNotUnderstoodIsAnError) {
    const std::pair<const char *, const char *> cases[] = {
        {R"({"org.leakbpf.gateway": "198.51.100.7"})", "no such option"},
        {R"({"org.leakbpf.serve": "tcp/80"})", "no such option"},
        {R"({"org.leakbpf.gw": "vpn.example.org"})", "vpn.example.org"},
        {R"({"org.leakbpf.gw": ""})", "org.leakbpf.gw"},
        {R"({"org.leakbpf.gw": "198.51.100.7,"})", "org.leakbpf.gw"},
        {R"({"org.leakbpf.gw": 7})", "no text"},
        {R"({"org.leakbpf.gw": "198.51.100.7", "org.leakbpf.strict": "yes"})", "\"yes\""},
        {R"({"org.leakbpf.dns": "10.42.0.1"})", "org.leakbpf."}, // nothing is allowed
        {R"([])", "no object"},
    };
    for (const auto &[annotations, word] : cases) {
        const auto container = parse_oci_state(state(annotations));
        ASSERT_FALSE(container) << annotations;
        EXPECT_EQ(container.error().exit, Exit::bad_input);
        EXPECT_THAT(container.error().message, HasSubstr(word)) << annotations;
    }
    for (const char *text :
         {"", "{", "[]", "7", R"({"pid": 42})", R"({"id": "", "pid": 42})", R"({"id": "b"})",
          R"({"id": "b", "pid": "42"})", R"({"id": "b", "pid": 0})", R"({"id": "b", "pid": 4294967297})"})
        EXPECT_FALSE(parse_oci_state(text)) << text;
}

TEST(LoopbackResolver, IsTheFirstNameserver) {
    for (const char *server : {"127.0.0.53", "127.0.0.11", "::1"})
        EXPECT_EQ(loopback_nameserver("# made by x\nsearch example\nnameserver " + std::string(server) +
                                      "\nnameserver 10.0.0.1\n"),
                  server);
    for (const char *text : {"", "nameserver", "nameserver 10.42.0.1\nnameserver 127.0.0.53\n",
                             "nameserver x\n", "#nameserver 127.0.0.1\n"})
        EXPECT_EQ(loopback_nameserver(text), std::nullopt) << text;
}

TEST(UidMap, TranslatesWhatIsInIt) {
    const char *map = "         0     100000      65536\n     70000       5000          1\n";
    EXPECT_EQ(uid_outside(map, 0), 100000u);
    EXPECT_EQ(uid_outside(map, 1000), 101000u);
    EXPECT_EQ(uid_outside(map, 65535), 165535u);
    EXPECT_EQ(uid_outside(map, 65536), std::nullopt);
    EXPECT_EQ(uid_outside(map, 70000), 5000u);
    EXPECT_EQ(uid_outside("", 0), std::nullopt);
}

} // namespace
