// SPDX-License-Identifier: MIT
#include "board/peer.h"

#include <unistd.h>

#include <cstdlib>
#include <stdexcept>

#include <fmt/format.h>

namespace lk::board {

using namespace harness;

void load(World &world, const std::string &program, const std::string &input) {
    std::vector<std::string> words = {program};
    if (program.find("tables-restore") != std::string::npos) words.emplace_back("--noflush");
    if (program == "nft") words = {"nft", "-f", "-"};
    Output output = run(words, {.netns = world.host().fd(), .input = input});
    if (output.status != 0) throw std::runtime_error(fmt::format("{}: {}", program, output.err));
}

void nft(World &world, const std::string &rules) {
    load(world, "nft", rules);
}

void mark_daemon(World &world, int mark) {
    nft(world, fmt::format("table inet lk_daemon {{ chain output {{ type route hook output priority -160;\n"
                           "meta skuid {} meta mark set {}\n}}\n}}\n",
                           vpn_uid, mark));
}

void route_by_mark(World &world, int mark) {
    world.host().sysctl("ipv4/conf/all/src_valid_mark", "1");
    if (!world.options().tunnel) return;
    for (const char *family : {"-4", "-6"})
        for (const std::string &line : {fmt::format("rule add not fwmark {0} table {0}", mark),
                                        std::string("rule add table main suppress_prefixlength 0"),
                                        fmt::format("route add default dev tun0 table {}", mark)}) {
            Output output =
                run({"sh", "-c", fmt::format("ip {} {}", family, line)}, {.netns = world.host().fd()});
            if (output.status != 0) throw std::runtime_error("ip: " + output.err);
        }
}

Choice open_gateways() {
    return {R"(_to_a_gateway|^frames\.gateway_frame|^routing\.gateways_)",
            "every program may send anything to a gateway"};
}

Choice open_lan() {
    return {R"(^dns\.(dot|llmnr|netbios_\w+)_(udp|tcp)_to_router|^dns\.netbios_broadcast|_source_to_the_lan)",
            "the local network is open to every program and port"};
}

bool in_path(const std::string &program) {
    const char *path = getenv("PATH");
    std::string directories = path ? path : "";
    for (std::size_t at = 0; at <= directories.size();) {
        std::size_t end = std::min(directories.find(':', at), directories.size());
        if (access((directories.substr(at, end - at) + "/" + program).c_str(), X_OK) == 0) return true;
        at = end + 1;
    }
    return false;
}

std::vector<Peer> all_peers() {
    Peer none{.name = "none", .title = "no filter", .source = "the bare kernel"};
    std::vector<Peer> peers = {none,          bitmask(),      tor(),     wg_quick(),
                               mullvad(true), mullvad(false), systemd(), nft_egress()};
    for (Setting setting : {Setting::standard, Setting::strict}) {
        bool strict = setting == Setting::strict;
        peers.push_back({.name = strict ? "leakbpf-strict" : "leakbpf",
                         .title = strict ? "leakbpf --strict" : "leakbpf",
                         .source = "this tree",
                         .set_up = [setting](World &world) { LeakbpfGuard(setting).attach(world); },
                         .leakbpf = setting});
    }
    return peers;
}

} // namespace lk::board
