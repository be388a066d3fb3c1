// SPDX-License-Identifier: MIT
// Containers of real runtimes with leakbpf oci-hook in their bundles, in the network namespace of a world's
// host, which is theirs: what they send comes out of eth0, is judged where that ends (World's relay), and
// captured behind that. Their first process is
// first_packet.c.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "harness/process.h"
#include "harness/world.h"

namespace lk::harness {

using Words = std::vector<std::string>;

// Where PROGRAM is, in PATH or where scripts/setup unpacks it; empty: nowhere.
std::string find_runtime(const std::string &program);
// What an executable of tests with containers is: its environments, and a skip where one of PROGRAMS is
// missing.
int run_container_tests(int argc, char **argv, const Words &programs);

extern const std::string runtimes_libraries; // of what scripts/setup unpacks, as LD_LIBRARY_PATH
// Makes DIR a root with the program of first_packet.c as its /first.
void make_rootfs(const std::string &dir);

// What first_packet.c sends to, in its order, and where the policies below send its query.
struct Destination {
    const char *address;
    std::uint16_t port;
    std::string text() const;
};
constexpr Destination destinations[] = {
    {"203.0.113.9", 4000}, {"198.51.100.7", 4000}, {"198.51.100.8", 4000}, {"10.9.0.77", 4000},
    {"10.9.0.1", 4000},    {"9.9.9.9", 53},        {"2001:db8:f::9", 4000}};
constexpr std::size_t sent_by_container = std::size(destinations);
constexpr int all_taken = (1 << sent_by_container) - 1;
// What worlds of containers are.
WorldOptions container_world(const std::string &name, bool tunnel = false);
// Where runtimes and leakbpf run: beside the other end of the container's link.
int beside(const World &world);
// What of them and of the resolvers was seen since SINCE.
std::set<std::string> arrived(World &world, std::size_t since);
std::set<std::string> all_destinations();

// One container's policy and another's: annotations, what is seen, and which of the destinations takes a
// datagram.
struct ContainersPolicy {
    std::map<std::string, std::string> annotations;
    std::set<std::string> seen;
    int taken;
};
extern const ContainersPolicy policy_a, policy_b;

// Of the hook after "leakbpf", with MORE at the end.
Words hook_words(const Words &more = {});

// What a bundle says beside what is the same in all.
struct Plan {
    std::map<std::string, std::string> annotations = {};
    Words hook = {}; // as hook_words(); none: no hook
    std::string stage = "createRuntime";
    bool own_cgroups = true; // a cgroup namespace
    bool stays = false;      // does not end when it has sent
};

class Runtime {
  public:
    explicit Runtime(const std::string &name) : name_(name), program_(find_runtime(name)) {}

    Words words(const Words &args) const;
    // Without pivot_root, which a root in an initramfs does not let anybody do.
    Words run_words(const World &world, const std::string &id, const Plan &plan) const;
    Output call(const Words &args) const { return run(words(args), {.timeout = 60s}); }
    // What hooks said, where the runtime does not say it itself.
    static std::string hook_log();

  private:
    std::string name_, program_;
};

// A container that stays, under the policy of PLAN from before its beginning, until the object goes.
class Box {
  public:
    Box(const Runtime &runtime, World &world, const std::string &id, Plan plan);
    ~Box();
    std::string cgroup() const; // its directory

  private:
    const Runtime &runtime_;
    std::string id_, log_;
    Background running_;
};

} // namespace lk::harness
