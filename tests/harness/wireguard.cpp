// SPDX-License-Identifier: MIT
#include "harness/wireguard.h"

#include <fstream>
#include <stdexcept>

#include <fmt/format.h>

#include "harness/sandbox.h"

namespace lk::harness {

std::string why_no_wireguard() {
    if (run({"wg", "--version"}).status != 0) return "wg is not installed";
    Netns place("lk-wg-probe");
    if (run({"ip", "link", "add", "wg0", "type", "wireguard"}, {.netns = place.fd()}).status != 0)
        return "this kernel has no WireGuard";
    return {};
}

std::string must_say(const std::vector<std::string> &argv, const RunOptions &options) {
    Output output = run(argv, options);
    if (output.status != 0)
        throw std::runtime_error(
            fmt::format("{}: status {}: {}", fmt::join(argv, " "), output.status, output.err));
    while (!output.out.empty() && output.out.back() == '\n')
        output.out.pop_back();
    return output.out;
}

WireGuardKey::WireGuardKey(const std::string &name) : path(Sandbox::current().dir() + "/" + name) {
    const std::string secret = must_say({"wg", "genkey"});
    std::ofstream(path) << secret << "\n";
    pub = must_say({"wg", "pubkey"}, {.input = secret + "\n"});
}

void wg_set(const Netns &netns, const std::string &device, const std::vector<std::string> &words) {
    std::vector<std::string> argv = {"wg", "set", device};
    argv.insert(argv.end(), words.begin(), words.end());
    must_say(argv, {.netns = netns.fd()});
}

std::string wg_endpoint(const Ip &ip, std::uint16_t port) {
    return fmt::format(fmt::runtime(ip.family == 4 ? "{}:{}" : "[{}]:{}"), ip.str(), port);
}

} // namespace lk::harness
