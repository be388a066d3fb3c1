// SPDX-License-Identifier: MIT
#include "cgroup_oci_world.h"

#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cgroup_world.h"
#include "harness/run_tests.h"

namespace lk::harness {

namespace {

constexpr Destination resolvers[] = {{"10.9.0.77", 53}, {"10.9.0.1", 53}};

// Runtimes look for cgroup2 in this place, whatever else the machine has there.
class CgroupsInTheirPlace : public testing::Environment {
  public:
    void SetUp() override {
        ASSERT_EQ(mount("lk-cgroup", "/sys/fs/cgroup", "cgroup2", 0, nullptr), 0) << strerror(errno);
    }
};

using Json = nlohmann::json;

Json config_of(const World &world, const std::string &id, const Plan &plan) {
    auto config = Json::parse(R"({
        "ociVersion": "1.0.2", "hostname": "box", "root": {"path": "rootfs"},
        "process": {"terminal": false, "user": {"uid": 0, "gid": 0}, "cwd": "/", "args": ["/first"]},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
                   {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]}],
        "linux": {}})"); // rules of devices would want crun to have CAP_SYS_RESOURCE
    for (const char *set : {"bounding", "effective", "permitted"})
        config["process"]["capabilities"][set] = Json::array({"CAP_NET_RAW", "CAP_NET_ADMIN"});
    if (plan.stays) config["process"]["args"].push_back("stays");
    Json &namespaces = config["linux"]["namespaces"];
    for (const char *kind : {"pid", "mount", "ipc", "uts"})
        namespaces.push_back(Json::object({{"type", kind}}));
    if (plan.own_cgroups) namespaces.push_back(Json::object({{"type", "cgroup"}}));
    namespaces.push_back(Json::object({{"type", "network"}, {"path", world.host().path()}}));
    config["linux"]["cgroupsPath"] = "/" + id;
    config["annotations"] = plan.annotations;
    config["annotations"]["run.oci.hooks.stderr"] =
        Runtime::hook_log(); // crun tells nothing of hooks without
    if (!plan.hook.empty()) {
        Words args{"leakbpf"};
        args.insert(args.end(), plan.hook.begin(), plan.hook.end());
        config["hooks"][plan.stage].push_back(Json::object({{"path", leakbpf_binary()}, {"args", args}}));
    }
    return config;
}

} // namespace

const std::string runtimes_libraries =
    LK_TOOLS "/runtimes/usr/lib/" LK_MACHINE ":" LK_TOOLS "/podman/usr/lib/" LK_MACHINE ":" LK_TOOLS
             "/podman/lib/" LK_MACHINE;

const ContainersPolicy policy_a{{{"org.leakbpf.gw", "198.51.100.7"},
                                 {"org.leakbpf.lan", "10.9.0.77/32"},
                                 {"org.leakbpf.dns", "10.9.0.77"}},
                                {"198.51.100.7:4000", "10.9.0.77:4000", "10.9.0.77:53"},
                                1 << 1 | 1 << 3 | 1 << 5},
    policy_b{{{"org.leakbpf.gw", "198.51.100.8"},
              {"org.leakbpf.lan", "10.9.0.1/32"},
              {"org.leakbpf.dns", "10.9.0.1"}},
             {"198.51.100.8:4000", "10.9.0.1:4000", "10.9.0.1:53"},
             1 << 2 | 1 << 4 | 1 << 5};

std::string Destination::text() const {
    return fmt::format("{}:{}", address, port);
}

std::string find_runtime(const std::string &program) {
    const char *path = std::getenv("PATH");
    std::istringstream places(std::string(path ? path : "") + ":" LK_TOOLS "/runtimes/usr/sbin:" LK_TOOLS
                                                              "/runtimes/usr/bin:" LK_TOOLS
                                                              "/podman/usr/bin");
    for (std::string place; std::getline(places, place, ':');)
        if (const std::string file = place + "/" + program; access(file.c_str(), X_OK) == 0) return file;
    return "";
}

int run_container_tests(int argc, char **argv, const Words &programs) {
    const bool lists = argc > 1 && std::string_view(argv[1]) == "--gtest_list_tests";
    for (const std::string &name : programs)
        if (!lists && find_runtime(name).empty()) {
            fmt::print("SKIPPED {}: {} is not there: scripts/setup unpacks it\n", argv[0], name);
            return Sandbox::skipped;
        }
    testing::AddGlobalTestEnvironment(new CgroupsInTheirPlace);
    testing::AddGlobalTestEnvironment(new ProgramsKept);
    return run_tests(argc, argv);
}

void make_rootfs(const std::string &dir) {
    std::filesystem::create_directories(dir);
    std::filesystem::copy_file(LK_FIRST_PACKET, dir + "/first",
                               std::filesystem::copy_options::overwrite_existing);
}

WorldOptions container_world(const std::string &name, bool tunnel) {
    return {.name = name, .tunnel = tunnel, .container = false, .relayed = true};
}

int beside(const World &world) {
    return world.relay().fd();
}

std::set<std::string> arrived(World &world, std::size_t since) {
    world.capture().settle();
    std::set<std::string> seen;
    const auto look_for = [&](const Destination &each) {
        Mark mark;
        mark.flow(Ip::of(each.address), each.port);
        if (world.capture().count(mark, since) > 0) seen.insert(each.text());
    };
    std::ranges::for_each(destinations, look_for);
    std::ranges::for_each(resolvers, look_for);
    return seen;
}

std::set<std::string> all_destinations() {
    std::set<std::string> all;
    for (const Destination &each : destinations)
        all.insert(each.text());
    return all;
}

Words hook_words(const Words &more) {
    const Sandbox &sandbox = Sandbox::current();
    Words words{"--bpffs", sandbox.bpffs(), "--cgroup-root", sandbox.cgroup_root(), "oci-hook"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
}

std::string Runtime::hook_log() {
    return Sandbox::current().dir() + "/hooks.log";
}

Words Runtime::words(const Words &args) const {
    Words all{"env", "LD_LIBRARY_PATH=" + runtimes_libraries, program_, "--root",
              Sandbox::current().dir() + "/" + name_};
    all.insert(all.end(), args.begin(), args.end());
    return all;
}

Words Runtime::run_words(const World &world, const std::string &id, const Plan &plan) const {
    const std::string bundle = Sandbox::current().dir() + "/bundle-" + id;
    make_rootfs(bundle + "/rootfs");
    std::ofstream(bundle + "/config.json") << config_of(world, id, plan).dump(1);
    return words({"run", "--no-pivot", "--no-new-keyring", "--bundle", bundle, id});
}

Box::Box(const Runtime &runtime, World &world, const std::string &id, Plan plan)
    : runtime_(runtime), id_(id), log_(Sandbox::current().dir() + "/" + id + ".log") {
    plan.stays = true;
    const auto since = world.capture().position();
    running_ = Background(runtime.run_words(world, id, plan), {.netns = beside(world)}, log_);
    Mark first;
    first.flow(gateway4, 4000);
    EXPECT_TRUE(eventually([&] { return world.capture().count(first, since) > 0; }, 20s)) << contents(log_);
}

Box::~Box() {
    const Output output = runtime_.call({"delete", "--force", id_}); // or the one that runs it is the first
    EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(cgroup()); }))
        << output.err << contents(log_);
}

std::string Box::cgroup() const {
    return Sandbox::current().cgroup_root() + "/" + id_;
}

} // namespace lk::harness
