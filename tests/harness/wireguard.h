// SPDX-License-Identifier: MIT
// The kernel's WireGuard, by the program wg. Key files lie in the sandbox.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/bytes.h"
#include "harness/netns.h"
#include "harness/process.h"

namespace lk::harness {

// Empty, or why there is none: for GTEST_SKIP.
std::string why_no_wireguard();

// What ARGV says, without the last line's end. Throws with its words when it fails.
std::string must_say(const std::vector<std::string> &argv, const RunOptions &options = {});

// A private key in a file NAME, as wg wants it.
struct WireGuardKey {
    std::string path, pub;
    explicit WireGuardKey(const std::string &name);
};

// wg set DEVICE WORDS.
void wg_set(const Netns &netns, const std::string &device, const std::vector<std::string> &words);

// "ADDRESS:PORT", IPv6 in brackets.
std::string wg_endpoint(const Ip &ip, std::uint16_t port);

} // namespace lk::harness
