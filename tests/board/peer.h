// SPDX-License-Identifier: MIT
// Who stands on the scoreboard: what each puts into a world, and what its own documentation says that it does
// on purpose. Each peer has a file of its own, which names the source of its rules; they are written anew
// from there, for the addresses of the worlds.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "netns/leak_case.h"

namespace lk::board {

// Cases that a peer is not judged by, whatever is seen: it lets them through, or holds them back, on purpose.
struct Choice {
    std::string cases; // regular expression, searched in "GROUP.CASE"
    std::string why;
};

struct Peer {
    std::string name, title, source;
    std::function<void(harness::World &)> set_up = [](harness::World &) {};
    std::function<void()> clean_up = [] {}; // what outlives the world
    std::vector<Choice> choices = {};
    std::optional<harness::Setting> leakbpf = {}; // it is leakbpf, and this is how
    bool trusts_daemon = false;                   // whatever the VPN's user sends may leave
    int trusted_mark = 0x1234;                    // what senders forge; as good as any where none is trusted
    std::vector<std::string> tools = {};          // programs that it needs
};

Peer bitmask();
// Its IPv4 rules for these gateways and local networks; as it is there are 10.9.0.2/24 alone.
std::string bitmask_rules4(const std::vector<std::string> &gateways, const std::vector<std::string> &lans);
Peer tor();
Peer wg_quick();
Peer mullvad(bool lan);
Peer systemd();
Peer nft_egress();

// In the order of the table: no filter first, leakbpf last.
std::vector<Peer> all_peers();

bool in_path(const std::string &program);

// For set_up: run in the host's namespace, and throw with the program's words.
void load(harness::World &world, const std::string &program, const std::string &input);
void nft(harness::World &world, const std::string &rules);
// Gives MARK to whatever the VPN's user sends, as a daemon does that has a mark for its sockets.
void mark_daemon(harness::World &world, int mark);
// The routes of a tunnel that a mark keeps its own packets out of: all else goes by table MARK, and of the
// main table only what is more than a default route.
void route_by_mark(harness::World &world, int mark);

// Open to everybody, and therefore no leak, where the documentation opens it.
Choice open_gateways();
Choice open_lan();

} // namespace lk::board
