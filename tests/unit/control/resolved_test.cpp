// SPDX-License-Identifier: MIT
#include "control/resolved.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace lk {
namespace {

class Resolved : public testing::Test {
  protected:
    Resolved() {
        std::string name = testing::TempDir() + "lk-resolved-XXXXXX";
        root_ = mkdtemp(name.data());
    }
    ~Resolved() override { std::filesystem::remove_all(root_); }
    void file(const std::string &path, const std::string &text) const {
        std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
        std::ofstream(root_ + path) << text;
    }
    std::string root_;
};

TEST_F(Resolved, NotThere) {
    EXPECT_FALSE(read_resolved(root_).running);
    EXPECT_TRUE(read_resolved(root_).settings.empty());
}

TEST_F(Resolved, SnippetsOverTheFile) {
    file("/run/systemd/resolve/resolv.conf", "");
    file("/etc/systemd/resolved.conf",
         "[Resolve]\n#DNS=192.0.2.1\nDNSOverTLS=no\nLLMNR = yes\nCache=no\nFallbackDNS=192.0.2.9\n");
    file("/usr/lib/systemd/resolved.conf", "[Resolve]\nDNS=192.0.2.2\n"); // not read: /etc has one
    file("/usr/lib/systemd/resolved.conf.d/10-a.conf", "[Resolve]\nDNSOverTLS=yes\nFallbackDNS=\n");
    file("/usr/lib/systemd/resolved.conf.d/20-b.conf", "[Resolve]\nMulticastDNS=yes\n");
    file("/etc/systemd/resolved.conf.d/20-b.conf", "[Other]\nMulticastDNS=no\n"); // takes its place
    const ResolvedFacts facts = read_resolved(root_);
    EXPECT_TRUE(facts.running);
    EXPECT_EQ(facts.settings, (std::map<std::string, std::string>{{"DNSOverTLS", "yes"}, {"LLMNR", "yes"}}));
}

} // namespace
} // namespace lk
