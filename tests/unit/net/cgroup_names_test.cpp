// SPDX-License-Identifier: MIT
#include "net/cgroup_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

using namespace lk;
using testing::HasSubstr;

namespace {

const std::string id_a = "4f0c1d2e3a5b4f0c1d2e3a5b4f0c1d2e3a5b4f0c1d2e3a5b4f0c1d2e3a5b4f0c";
const std::string id_b = "4f0c1d2e3a5baaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

class CgroupNamesTest : public testing::Test {
  protected:
    CgroupNamesTest() {
        char name[] = "/tmp/lk-names-XXXXXX";
        root_ = mkdtemp(name);
    }
    ~CgroupNamesTest() override { std::filesystem::remove_all(root_); }
    void make(const std::string &path) { std::filesystem::create_directories(root_ + "/" + path); }
    std::string find(const std::string &word) {
        const auto found = find_cgroup(root_, word);
        return found ? *found : "error: " + found.error().message;
    }
    std::string root_;
};

TEST_F(CgroupNamesTest, PathsUnitsAndContainers) {
    make("system.slice/nginx.service/deeper");
    make("system.slice/docker-" + id_a + ".scope/init");
    make("user.slice/libpod-conmon-" + id_a + ".scope");
    make("kubepods.slice/pod/cri-containerd-" + std::string(64, 'b') + ".scope");
    make("docker/" + std::string(64, 'c'));
    EXPECT_EQ(find("system.slice/nginx.service"), "system.slice/nginx.service");
    EXPECT_EQ(find(root_ + "/system.slice/nginx.service/"), "system.slice/nginx.service");
    EXPECT_EQ(find("nginx.service"), "system.slice/nginx.service");
    EXPECT_EQ(find("container:4f0c1d2e3a5b"), "system.slice/docker-" + id_a + ".scope");
    EXPECT_EQ(find("container:" + std::string(64, 'b')),
              "kubepods.slice/pod/cri-containerd-" + std::string(64, 'b') + ".scope");
    EXPECT_EQ(find("container:cccccccccccc"), "docker/" + std::string(64, 'c'));
}

// Whoever may make cgroups somewhere chooses their names.
TEST_F(CgroupNamesTest, NamesThatOthersChoseAreNotTaken) {
    make("user.slice/user-1000.slice/user@1000.service/app.slice/nginx.service");
    make("machine.slice/box.scope/payload/system.slice/nginx.service");
    make("docker/" + id_a + "/system.slice/nginx.service");
    make("docker/" + id_a + "/docker-" + id_b + ".scope");
    EXPECT_THAT(find("nginx.service"), HasSubstr("error: "));
    EXPECT_THAT(find("container:" + id_b), HasSubstr("error: "));
    make("system.slice/system-web.slice/nginx.service/nginx.service");
    EXPECT_EQ(find("nginx.service"), "system.slice/system-web.slice/nginx.service");
    EXPECT_EQ(find("user@1000.service"), "user.slice/user-1000.slice/user@1000.service");
}

TEST_F(CgroupNamesTest, WhatNamesNoneOrSeveralIsAnError) {
    make("a.slice/x.service");
    make("b.slice/x.service");
    make("docker/" + id_a);
    make("docker/" + id_b);
    EXPECT_THAT(find("x.service"), HasSubstr("2 cgroups"));
    EXPECT_THAT(find("x.service"), HasSubstr("b.slice/x.service"));
    EXPECT_THAT(find("container:4f0c1d2e3a5b"), HasSubstr("2 cgroups"));
    EXPECT_EQ(find("container:" + id_b), "docker/" + id_b);
    for (const char *word :
         {"", "/", ".", "..", "/tmp", "y.service", "nothing", "container:", "container:4f0c",
          "container:4F0C1D2E3A5B", "container:zzzzzzzzzzzz", "a.slice/../.."})
        EXPECT_THAT(find(word), HasSubstr("error: ")) << word;
}

TEST(CgroupNames, WhatAPathTells) {
    EXPECT_EQ(names_of_cgroup("system.slice/nginx.service/workers").unit, "nginx.service");
    EXPECT_EQ(names_of_cgroup("system.slice/docker-" + id_a + ".scope").container, id_a);
    EXPECT_EQ(names_of_cgroup("docker/" + id_a + "/init").container, id_a);
    EXPECT_EQ(names_of_cgroup("user.slice/libpod-conmon-" + id_a + ".scope").container, "");
    EXPECT_EQ(names_of_cgroup("job").unit + names_of_cgroup("job").container, "");
}

} // namespace
