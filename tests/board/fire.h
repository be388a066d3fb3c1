// SPDX-License-Identifier: MIT
// Fires cases in worlds of one peer, and tells what the far side saw. What it saw is read by the capture,
// which knows of no peer; whether that is as it should be is not asked here.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "board/peer.h"

namespace lk::board {

// What became of one case.
struct Outcome {
    bool fired = false; // the case could be tried at all; TROUBLE says why not
    bool seen = false;  // something of it was seen on the far side
    bool works = false; // what it wanted was had: all was seen, and where it waits for an answer, that came
    std::string trouble = {};
};

// The cases of a run, numbered: those of the matrix that share worlds, then those with worlds of their own.
struct Cases {
    explicit Cases(const std::string &only); // regular expression; empty: all
    harness::Matrix matrix;
    std::vector<const harness::Case *> shared;
    std::vector<const harness::Special *> special;

    std::size_t size() const { return shared.size() + special.size(); }
    std::string group(std::size_t index) const;
    std::string name(std::size_t index) const; // "GROUP.CASE"
    std::string kind(std::size_t index) const; // without family, sender and state of the tunnel
    bool of_daemon(std::size_t index) const;   // sent by the VPN's user
    harness::Expect expected(std::size_t index, harness::Setting setting) const;
};

// In processes of their own, each in a sandbox, at most JOBS at a time: all cases for each of PEERS. The
// result has a row for each peer. Throws where a process ended badly.
std::vector<std::vector<Outcome>> fire_all(const Cases &cases, const std::vector<Peer> &peers, unsigned jobs);

// Fires these cases once more, by themselves, and adds what was seen or had now: what was seen once was seen.
void fire_again(const Cases &cases, const std::set<std::size_t> &which, const std::vector<Peer> &peers,
                unsigned jobs, std::vector<std::vector<Outcome>> &outcomes);

} // namespace lk::board
