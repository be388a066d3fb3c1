// SPDX-License-Identifier: MIT
// One policy of any size in the words of each filter: these gateways, these local networks, names by the
// VPN's resolver, and nothing else by eth0.
#pragma once

#include <string>
#include <vector>

namespace lk::bench {

struct Policy {
    std::vector<std::string> gateways, lans;
};

// As many of each, with those that the bench talks to in the middle. Another VARIANT
// has another last gateway.
Policy policy_of(unsigned gateways, unsigned lans, unsigned variant = 0);

std::string leakbpf_config(const Policy &policy);
std::string nft_sets(const Policy &policy);    // what is there of it is replaced, in one transaction
std::string ipset_lists(const Policy &policy); // made, or filled beside the old ones and swapped
std::string ipset_rules();                     // for iptables-restore; they name the lists
std::string bitmask_chain(const Policy &policy);

} // namespace lk::bench
