// SPDX-License-Identifier: MIT
// The demo: the same traffic without and with `leakbpf attach`, side by side, as the provider's wire shows
// it. All of it in a sandbox that is gone with this process, however it ends. Exit status 0: every row came
// out as it should.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "demo/rows.h"
#include "demo/world.h"
#include "harness/process.h"
#include "harness/sandbox.h"

namespace {

using namespace lk::demo;
using lk::harness::Output;

const std::vector<std::string> attach_words = {"attach", "eth0",     "--gw", "198.51.100.7:1195/udp",
                                               "--dns",  "10.42.0.1"};

std::string in_words(const Sight &sight, bool meant_to_leave) {
    switch (sight.fate) {
    case Fate::clear: return meant_to_leave ? "left, as it should" : "LEAKED in the clear";
    case Fate::tunnel: return "inside the tunnel";
    case Fate::stayed: return "stayed: " + sight.trouble;
    }
    return "";
}

// The follower sees the tunnel come a moment after us; until then queries are refused.
void await_tunnel(World &world, const std::vector<Row> &all) {
    lk::harness::eventually([&] {
        return std::ranges::all_of(all, [&world](const Row &row) {
            return !row.tunnel_up || row.with != Fate::tunnel || send(world, row).fate == Fate::tunnel;
        });
    });
}

std::vector<Sight> send_all(World &world, const std::vector<Row> &all, bool attached) {
    std::vector<Sight> sights;
    for (bool up : {true, false}) {
        if (up)
            world.tunnel_up();
        else
            world.tunnel_down();
        if (up && attached) await_tunnel(world, all);
        for (const Row &row : all)
            if (row.tunnel_up == up) sights.push_back(send(world, row));
    }
    return sights;
}

struct Score {
    int wrong = 0, leaks_without = 0, leaks_with = 0;
};

Score print_table(const std::vector<Row> &all, const std::vector<Sight> &without,
                  const std::vector<Sight> &with) {
    Score score;
    fmt::print("{:<42} {:<28} {}\n", "what the host sent", "without leakbpf", "with leakbpf");
    fmt::print("{:-<42} {:-<28} {:-<30}\n", "", "", "");
    for (std::size_t i = 0; i < all.size(); i++) {
        const Row &row = all[i];
        bool meant = row.with == Fate::clear;
        bool good = without[i].fate == row.without && with[i].fate == row.with;
        fmt::print("{:<42} {:<28} {}{}\n", row.what, in_words(without[i], meant), in_words(with[i], meant),
                   good ? "" : "   <-- unexpected");
        score.wrong += !good;
        if (meant) continue;
        score.leaks_without += without[i].fate == Fate::clear;
        score.leaks_with += with[i].fate == Fate::clear;
    }
    return score;
}

int demo() {
    World world;
    std::vector<Row> all = rows();
    std::vector<Sight> without = send_all(world, all, false);
    world.tunnel_up();
    Output attached = lk::harness::leakbpf(world.host().fd(), attach_words);
    if (attached.status != 0) {
        fmt::print(stderr, "leakbpf {}: exit status {}\n{}{}", fmt::join(attach_words, " "), attached.status,
                   attached.out, attached.err);
        return 1;
    }
    world.tunnel_down();
    std::vector<Sight> with = send_all(world, all, true);

    fmt::print("\nA protected host with a VPN, a container behind it, a neighbour on its LAN, and a provider "
               "that records the\n"
               "wire, each in a network namespace of its own. The same traffic, and what the provider saw of "
               "it:\n\n");
    Score score = print_table(all, without, with);
    fmt::print("\n{} of these leaked without leakbpf, {} with it.\n", score.leaks_without, score.leaks_with);
    fmt::print("\nWhat was typed on the protected host:\n\n    leakbpf {}\n\n", fmt::join(attach_words, " "));
    fmt::print("What `leakbpf status` says there now:\n\n");
    Output status = lk::harness::leakbpf(world.host().fd(), {"status"});
    fmt::print("{}{}", status.out, status.err);
    fflush(stdout);
    lk::harness::leakbpf(world.host().fd(), {"detach", "--all"});
    return score.wrong || score.leaks_with || status.status != 0;
}

} // namespace

int main() {
    return lk::harness::Sandbox::run_program("demo", demo);
}
