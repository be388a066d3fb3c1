// SPDX-License-Identifier: MIT
// What the outcomes mean: which cases count, what leaked and what broke, for each peer and group.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "board/fire.h"

namespace lk::board {

struct Tally {
    unsigned bad = 0, of = 0;
};

struct Score {
    std::map<std::string, Tally> leaked, broken; // by group
    Tally all_leaked, all_broken;
    // Cases that a choice of policy decides (every program to a gateway or the VPN's alone; the VPN's user to
    // anywhere or to gateways alone): how many left. For leakbpf bad is what its own mode does not want.
    Tally by_mode;
    unsigned on_purpose = 0, untried = 0;
    std::vector<std::string> bad; // each a line
};

struct Board {
    std::vector<Peer> peers; // the first is no filter
    std::vector<Score> scores;
    std::vector<std::string> unproven; // not seen, or without an answer, with no filter
    unsigned leak_cases = 0, pass_cases = 0, mode_cases = 0, leak_kinds = 0, pass_kinds = 0;
    std::vector<std::string> groups; // in the order of the cases

    // What is to fail: leakbpf leaks or blocks, or a case could not be proven or tried.
    std::vector<std::string> failures() const;
};

// Cases to be tried once more, by everybody: not proven without a filter, or something that must pass seems
// to be lost. A busy machine loses packets too; it makes none leak.
std::set<std::size_t> doubtful(const Cases &cases, const std::vector<Peer> &peers,
                               const std::vector<std::vector<Outcome>> &outcomes);

Board judge(const Cases &cases, const std::vector<Peer> &peers,
            const std::vector<std::vector<Outcome>> &outcomes);

} // namespace lk::board
