// SPDX-License-Identifier: MIT
// podman with the hook of packaging/oci: it is called for containers with our annotations, before their first
// instruction.
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cgroup_oci_world.h"
#include "cgroup_world.h"

using namespace lk;
using namespace lk::harness;

namespace {

// With all its files in a directory of the sandbox, and the machine's own read-only.
class Podman : public testing::Test {
  protected:
    World world{container_world("podman")};
    const std::string dir = Sandbox::current().dir() + "/podman";

    void SetUp() override {
        make_rootfs(dir + "/rootfs");
        for (const char *part : {"/hooks.d", "/net"})
            std::filesystem::create_directories(dir + part);
        auto hook = nlohmann::json::parse(contents(LK_PODMAN_HOOK));
        Words args{"leakbpf"};
        const Words words = hook_words();
        args.insert(args.end(), words.begin(), words.end());
        hook["hook"]["path"] = leakbpf_binary();
        hook["hook"]["args"] = args;
        std::ofstream(dir + "/hooks.d/leakbpf.json") << hook;
        std::ofstream(dir + "/storage.conf") << fmt::format(
            "[storage]\ndriver = \"vfs\"\ngraphroot = \"{0}/store\"\nrunroot = \"{0}/run\"\n", dir);
        // The hierarchy may have no controller for a limit of processes.
        std::ofstream(dir + "/containers.conf") << fmt::format(
            "[containers]\npids_limit = 0\ndefault_sysctls = []\n"
            "[engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"none\"\n"
            "lock_type = \"file\"\nno_pivot_root = true\nhooks_dir = [\"{0}/hooks.d\"]\n"
            "conmon_path = [\"{1}\"]\nconmon_env_vars = [\"PATH={2}\", \"LD_LIBRARY_PATH={3}\"]\n"
            "[engine.runtimes]\nrunc = [\"{4}\"]\n"
            "[network]\nnetwork_config_dir = \"{0}/net\"\ncni_plugin_dirs = [\"{0}/net\"]\n",
            dir, find_runtime("conmon"), getenv("PATH"), runtimes_libraries, find_runtime("runc"));
    }
    void TearDown() override { harness::leakbpf(-1, {"detach", "--cgroup", "--gone"}); }

    Output container(const std::map<std::string, std::string> &annotations) const {
        Words words{"unshare",
                    "--mount",
                    "sh",
                    "-euc",
                    "mount -o remount,bind,ro / && exec \"$@\"",
                    "sh",
                    "env",
                    "HOME=" + dir,
                    "TMPDIR=" + dir,
                    "LD_LIBRARY_PATH=" + runtimes_libraries,
                    "CONTAINERS_CONF=" + dir + "/containers.conf",
                    "CONTAINERS_STORAGE_CONF=" + dir + "/storage.conf",
                    find_runtime("podman"),
                    "--tmpdir",
                    dir + "/tmp",
                    "run",
                    "--rm",
                    "--network",
                    "ns:" + world.host().path(),
                    "--cap-add",
                    "NET_ADMIN,NET_RAW",
                    "--security-opt",
                    "seccomp=unconfined",
                    "--no-hosts",
                    "--dns",
                    "none",
                    "--log-driver",
                    "none"};
        for (const auto &[name, value] : annotations) {
            words.emplace_back("--annotation");
            words.push_back(name + "=" + value);
        }
        words.insert(words.end(), {"--rootfs", dir + "/rootfs", "/first"});
        return run(words, {.netns = beside(world), .timeout = 60s});
    }
};

} // namespace

TEST_F(Podman, ThePolicyIsThereBeforeTheFirstInstruction) {
    for (const ContainersPolicy &policy :
         {ContainersPolicy{{}, all_destinations(), all_taken}, policy_a, policy_b}) {
        const auto since = world.capture().position();
        const Output output = container(policy.annotations);
        EXPECT_EQ(output.status, policy.taken) << output.err;
        EXPECT_EQ(arrived(world, since), policy.seen) << output.err;
    }
}

TEST_F(Podman, WithoutItsPolicyNoContainerBegins) {
    const auto since = world.capture().position();
    const Output output = container({{"org.leakbpf.gw", "vpn"}});
    EXPECT_NE(output.status, 0);
    EXPECT_EQ(arrived(world, since), std::set<std::string>{}) << output.err;
}

int main(int argc, char **argv) {
    return run_container_tests(argc, argv, {"podman", "conmon", "runc"});
}
