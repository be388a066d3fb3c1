// SPDX-License-Identifier: MIT
// Who is measured. Every filter is set up as its own documentation sets it up, by its own program.
#include <fmt/format.h>

#include "bench/speed_world.h"
#include "board/peer.h"
#include "harness/sender.h"

namespace lk::bench {

using namespace harness;

namespace {

Subject of_board(const board::Peer &peer) {
    return {.name = peer.name,
            .title = peer.title,
            .set_up = [peer](SpeedWorld &world) { peer.set_up(world.net()); },
            .mark = 0,
            .uid = 0,
            .tools = peer.tools};
}

Subject applied(const char *name, const char *title, const Policy &policy,
                const std::vector<std::string> &more) {
    return {.name = name, .title = title, .set_up = [policy, more](SpeedWorld &world) {
                std::vector<std::string> words{"apply", "--config",
                                               world.file("leakbpf.toml", leakbpf_config(policy))};
                words.insert(words.end(), more.begin(), more.end());
                world.guard(words);
            }};
}

} // namespace

Subject unfiltered(bool twin) {
    return {.name = twin ? "twin" : "none", .title = twin ? "no filter, again" : "no filter"};
}

Subject floor_program() {
    return {.name = "empty", .title = "empty tcx program", .set_up = [](SpeedWorld &world) {
                world.attach_floor();
            }};
}

Subject both_floors() {
    return {.name = "empty-both", .title = "empty tcx and netfilter", .set_up = [](SpeedWorld &world) {
                world.attach_floor();
                world.attach_gate_floor();
            }};
}

Subject plain(const Policy &policy) {
    return applied("leakbpf", "leakbpf", policy, {});
}

Subject alone(const Policy &policy) {
    return applied("leakbpf-alone", "leakbpf --no-follow", policy, {"--no-follow"});
}

Subject strict() {
    return {.name = "leakbpf-strict",
            .title = "leakbpf --strict",
            .set_up =
                [](SpeedWorld &world) {
                    world.guard({"attach", "eth0", "--strict", "--gw", gateway4.str(), "--dns",
                                 resolver4.str(), "--vpn-user", std::to_string(vpn_uid)});
                },
            .mark = 0,
            .uid = vpn_uid};
}

Subject bitmask(const Policy &policy) {
    Subject subject = of_board(board::bitmask());
    subject.set_up = [policy](SpeedWorld &world) {
        world.must_run({"iptables-restore", "--noflush"}, bitmask_chain(policy));
    };
    return subject;
}

Subject ipset(const Policy &policy) {
    return {.name = "ipset",
            .title = "iptables, ipset",
            .set_up =
                [policy](SpeedWorld &world) {
                    world.must_run({"ipset", "restore"}, ipset_lists(policy));
                    world.must_run({"iptables-restore", "--noflush"}, ipset_rules());
                },
            .mark = 0,
            .uid = 0,
            .tools = {"ipset", "iptables-restore"}};
}

Subject nft(const Policy &policy) {
    return {.name = "nft",
            .title = "nft sets",
            .set_up =
                [policy](SpeedWorld &world) {
                    world.must_run({"nft", "-f", "-"}, nft_sets(policy));
                },
            .mark = 0,
            .uid = 0,
            .tools = {"nft"}};
}

Subject mullvad() {
    const board::Peer peer = board::mullvad(true);
    Subject subject = of_board(peer);
    subject.mark = static_cast<unsigned>(peer.trusted_mark);
    return subject;
}

Subject nft_egress() {
    return of_board(board::nft_egress());
}

std::vector<Subject> everybody(const Policy &policy, bool brief) {
    std::vector<Subject> subjects{unfiltered(false), unfiltered(true), floor_program(), plain(policy),
                                  bitmask(policy)};
    if (!brief)
        for (const Subject &subject :
             {alone(policy), strict(), ipset(policy), nft(policy), mullvad(), nft_egress()})
            subjects.push_back(subject);
    return subjects;
}

} // namespace lk::bench
