// SPDX-License-Identifier: MIT
// bench_cgroup: what policies of cgroups cost, by how many there are: time of an attach after the first,
// memory of the maps, and the kernel's own figure for a run of the programs that see packets and connects,
// for sockets of cgroups taken in turn. Exit status 1: short of a goal (--gate), 77 without root.
#include <bpf/bpf.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <map>
#include <stdexcept>

#include "bench/cgroup_report.h"
#include "bench/own_cgroup.h"
#include "control/cgroups.h"
#include "harness/netns.h"
#include "harness/sandbox.h"
#include "harness/sender.h"
#include "kernel/pins.h"
#include "kernel/sys.h"

namespace lk::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
    std::vector<unsigned> cgroups{1, 1'000};
    unsigned sockets = 200, packets = 100, turns = 15;
    bool gate = false;
};

template <typename T>
T must(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().message);
    return *std::move(result);
}

std::string gateway_of(unsigned index) {
    return fmt::format("198.18.{}.{}", index / 250, 1 + index % 250);
}

// The host has one link, with whose far side it never talks.
class BenchWorld {
  public:
    BenchWorld() : far_("lk-bcg-far"), host_("lk-bcg-host") {
        host_.ip(fmt::format("link add eth0 type veth peer name far0 netns {}\nlink set eth0 up\n"
                             "addr add 10.7.1.2/24 dev eth0\nroute add default via 10.7.1.1 dev eth0\n"
                             "neigh replace 10.7.1.1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent",
                             far_.name()));
        far_.ip("link set far0 up");
        const auto &sandbox = harness::Sandbox::current();
        place_ = must(find_scope_place(sandbox.bpffs(), sandbox.cgroup_root()));
    }
    const ScopePlace &place() const { return place_; }
    bool empty() const { return made_ == 0; }

    // Milliseconds of each attach.
    std::vector<double> grow(unsigned count) {
        std::vector<double> took;
        for (; made_ < count; ++made_) {
            const auto name = fmt::format("c{}", made_);
            if (mkdir((place_.cgroup_root + "/" + name).c_str(), 0755) != 0)
                throw std::runtime_error("cannot make a cgroup");
            Policy policy;
            policy.gateways.push_back(must(Gateway::parse(gateway_of(made_))));
            policy.lan.push_back(
                must(Prefix::parse(fmt::format("10.{}.{}.0/24", 64 + made_ / 250, made_ % 250))));
            const auto since = Clock::now();
            must(attach_cgroups(place_, {name}, normalise(policy)));
            took.push_back(std::chrono::duration<double, std::milli>(Clock::now() - since).count());
        }
        return took;
    }

    // Sockets of cgroups taken in turn, each with as many datagrams.
    void send(const Options &options) const {
        const auto trouble = harness::as(
            {.netns = host_.fd()},
            [&] {
                for (unsigned turn = 0; turn < options.sockets; ++turn) {
                    const unsigned index = turn * 7919 % made_;
                    harness::enter_cgroup(fmt::format("{}/c{}", place_.cgroup_root, index));
                    const Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
                    const harness::SockAddr to(harness::Ip::of(gateway_of(index).c_str()), 4000);
                    for (unsigned packet = 0; packet < options.packets; ++packet) {
                        if (connect(fd.get(), to.get(), to.length) != 0) throw std::runtime_error("connect");
                        ::send(fd.get(), "x", 1, 0);
                    }
                }
            },
            std::chrono::seconds(60));
        if (!trouble.empty()) throw std::runtime_error(trouble);
    }

  private:
    harness::Netns far_, host_;
    ScopePlace place_;
    unsigned made_ = 0;
};

struct Runs {
    std::uint64_t ns = 0, count = 0;
};

// By program, since it was loaded.
std::map<std::string, Runs> runs(const ScopePlace &place) {
    std::map<std::string, Runs> all;
    const Pins pins{place.directory()};
    for (const auto &directory : list_directory(pins.dir)) {
        if (!directory.starts_with("progs-")) continue;
        for (const auto &name : list_directory(pins.dir + "/" + directory)) {
            const auto opened = open_pin(fmt::format("{}/{}/{}", pins.dir, directory, name));
            bpf_prog_info info{};
            __u32 size = sizeof(info);
            if (opened.error == 0 && bpf_obj_get_info_by_fd(opened.fd.get(), &info, &size) == 0)
                all[name] = {info.run_time_ns, info.run_cnt};
        }
    }
    return all;
}

// As the kernel accounts for the maps.
std::uint64_t map_bytes(const ScopePlace &place) {
    std::uint64_t sum = 0;
    const Pins pins{place.directory()};
    for (const auto &name : list_directory(pins.maps())) {
        const auto opened = open_pin(pins.maps() + "/" + name);
        std::ifstream file(fmt::format("/proc/self/fdinfo/{}", opened.fd.get()));
        for (std::string line; std::getline(file, line);)
            if (line.starts_with("memlock:")) sum += std::stoull(line.substr(8));
    }
    return sum;
}

// Nanoseconds of a run of PROGRAM between the two.
void add_run(const char *program, const std::map<std::string, Runs> &before,
             const std::map<std::string, Runs> &after, Series &series) {
    const Runs &then = before.at(program), &now = after.at(program);
    if (now.count != then.count)
        series.push_back(static_cast<double>(now.ns - then.ns) / static_cast<double>(now.count - then.count));
}

CgroupsFound measure(BenchWorld &world, unsigned count, const Options &options) {
    CgroupsFound found{.cgroups = count};
    const bool first = world.empty();
    found.attach_ms = world.grow(count);
    if (first && !found.attach_ms.empty()) {
        found.first_ms = {found.attach_ms.front()};
        found.attach_ms.erase(found.attach_ms.begin());
    }
    world.send(options); // the first time each finds its policy
    for (unsigned turn = 0; turn < options.turns; ++turn) {
        const auto before = runs(world.place());
        world.send(options);
        const auto after = runs(world.place());
        add_run("lk_scope_egress", before, after, found.packet_ns);
        add_run("lk_scope_conn4", before, after, found.connect_ns);
    }
    found.map_bytes = static_cast<double>(map_bytes(world.place()));
    return found;
}

int gate(const SpeedReport &report) {
    const auto lines = short_of(report.goals);
    for (const std::string &line : lines)
        fmt::print(stderr, "falls short: {}\n", line);
    return lines.empty() ? 0 : 1;
}

int measure_all(const Options &options) {
    BenchWorld world;
    const Fd statistics(bpf_enable_stats(BPF_STATS_RUN_TIME));
    if (!statistics) throw std::runtime_error("the kernel gives no statistics of programs");
    std::vector<CgroupsFound> found;
    for (const unsigned count : options.cgroups)
        found.push_back(measure(world, count, options));
    const SpeedReport report = cgroup_report(found);
    fmt::print("{}", speed_table(report));
    return options.gate ? gate(report) : 0;
}

int run(int argc, char **argv) {
    Options options;
    CLI::App app("What policies of cgroups cost.", "bench_cgroup");
    app.add_option("--cgroups", options.cgroups, "How many, in rising order")
        ->delimiter(',')
        ->check(CLI::PositiveNumber);
    app.add_option("--sockets", options.sockets, "Sockets in each measurement");
    app.add_option("--turns", options.turns, "Measurements, of which the median is printed");
    app.add_option("--packets", options.packets, "Connects and datagrams of each");
    app.add_flag("--gate", options.gate, "fail where a goal is missed by more than the figure's error");
    CLI11_PARSE(app, argc, argv);
    return harness::Sandbox::run_program("bench_cgroup", [&] { return measure_all(options); });
}

} // namespace
} // namespace lk::bench

int main(int argc, char **argv) {
    return lk::bench::run(argc, argv);
}
