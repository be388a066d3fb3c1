// SPDX-License-Identifier: MIT
#include "bench/speed_rules.h"

#include <fmt/format.h>

#include "board/peer.h"
#include "harness/world.h"

namespace lk::bench {

namespace {

constexpr const char *own_lan = "10.9.0.0/24"; // the uplink's

std::vector<std::string> around(const std::string &hot, unsigned count,
                                std::string (*other)(unsigned number)) {
    std::vector<std::string> all;
    for (unsigned i = 0; i + 1 < count; ++i)
        all.push_back(other(i));
    if (count) all.insert(all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2), hot);
    return all;
}

// Two gateways away from one another, so that no prefix stands for many.
std::string other_gateway(unsigned number) {
    return fmt::format("198.{}.{}.{}", 18 + number / 32768, number / 128 % 256, number % 128 * 2);
}

// Near the uplink's own, so that whoever walks a tree walks far; not the resolver's.
std::string other_lan(unsigned number) {
    const unsigned second = 9 + number / 128;
    return fmt::format("10.{}.{}.0/24", second + (second >= 42), number % 128 * 2 + 1);
}

std::string quoted(const std::vector<std::string> &words) {
    return fmt::format("[\"{}\"]", fmt::join(words, "\", \""));
}

std::string elements(const std::vector<std::string> &words) {
    return words.empty() ? "" : fmt::format("elements = {{ {} }}\n", fmt::join(words, ", "));
}

} // namespace

Policy policy_of(unsigned gateways, unsigned lans, unsigned variant) {
    Policy policy{around(harness::gateway4.str(), gateways, other_gateway), around(own_lan, lans, other_lan)};
    if (variant) policy.gateways.back() = fmt::format("203.0.113.{}", variant % 256);
    return policy;
}

std::string leakbpf_config(const Policy &policy) {
    std::vector<std::string> lans; // the uplink's own is one by itself
    for (const std::string &lan : policy.lans)
        if (lan != own_lan) lans.push_back(lan);
    return fmt::format("[[scope]]\ninterfaces = [\"eth0\"]\ngateways = {}\ndns = [\"{}\"]\n{}",
                       quoted(policy.gateways), harness::resolver4.str(),
                       lans.empty() ? "" : fmt::format("lan = {}\n", quoted(lans)));
}

std::string nft_sets(const Policy &policy) {
    return fmt::format("table inet lk\ndelete table inet lk\ntable inet lk {{\n"
                       "set gateways {{ type ipv4_addr\n{}}}\n"
                       "set lan {{ type ipv4_addr; flags interval\n{}}}\n"
                       "chain names {{ type nat hook output priority -100;\n"
                       "udp dport 53 dnat ip to {}\ntcp dport 53 dnat ip to {}\n}}\n"
                       "chain out {{ type filter hook output priority 0;\noifname != \"eth0\" accept\n"
                       "ip daddr @lan accept\nip daddr @gateways accept\n"
                       "ip daddr 239.255.255.250 udp dport 1900 accept\n"
                       "ip daddr 224.0.0.251 udp dport 5353 accept\n"
                       "meta l4proto tcp reject with tcp reset\nreject\n}}\n}}\n",
                       elements(policy.gateways), elements(policy.lans), harness::resolver4.str(),
                       harness::resolver4.str());
}

std::string ipset_lists(const Policy &policy) {
    std::string lines;
    const auto list = [&lines](const char *name, const char *kind, const std::vector<std::string> &members) {
        lines += fmt::format("create -exist {0} {1} maxelem 200000\ncreate {0}-new {1} maxelem 200000\n",
                             name, kind);
        for (const std::string &member : members)
            lines += fmt::format("add {}-new {}\n", name, member);
        lines += fmt::format("swap {0}-new {0}\ndestroy {0}-new\n", name);
    };
    list("gateways", "hash:ip", policy.gateways);
    list("lan", "hash:net", policy.lans);
    return lines;
}

std::string ipset_rules() {
    return fmt::format("*nat\n-A OUTPUT -p udp --dport 53 -j DNAT --to {0}:53\n"
                       "-A OUTPUT -p tcp --dport 53 -j DNAT --to {0}:53\nCOMMIT\n"
                       "*filter\n-A OUTPUT -o eth0 -m set --match-set lan dst -j ACCEPT\n"
                       "-A OUTPUT -o eth0 -m set --match-set gateways dst -j ACCEPT\n"
                       "-A OUTPUT -o eth0 -p udp -d 239.255.255.250 --dport 1900 -j ACCEPT\n"
                       "-A OUTPUT -o eth0 -p udp -d 224.0.0.251 --dport 5353 -j ACCEPT\n"
                       "-A OUTPUT -o eth0 -p tcp -j REJECT --reject-with tcp-reset\n"
                       "-A OUTPUT -o eth0 -j REJECT\nCOMMIT\n",
                       harness::resolver4.str());
}

std::string bitmask_chain(const Policy &policy) {
    return board::bitmask_rules4(policy.gateways, policy.lans);
}

} // namespace lk::bench
