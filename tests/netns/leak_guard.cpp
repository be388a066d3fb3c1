// SPDX-License-Identifier: MIT
// leakbpf in the worlds of the matrix.
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>

#include "leak_case.h"

namespace lk::harness {

namespace {

// Whether the filter sits on DEVICE, as leakbpf itself tells.
bool guarded(const World &world, const std::string &device) {
    std::istringstream lines(world.leakbpf({"status"}).out);
    for (std::string line; std::getline(lines, line);)
        if (line.rfind("  " + device + " ", 0) == 0)
            return line.find(" guarded ") != std::string::npos && line.find("NO HOOK") == std::string::npos;
    return false;
}

[[noreturn]] void complain(const World &world, const std::string &what) {
    throw std::runtime_error(fmt::format("{}:\n{}", what, world.leakbpf({"status"}).out));
}

} // namespace

std::vector<std::string> attach_args(Setting setting) {
    std::vector<std::string> args = {"eth0"};
    if (setting == Setting::strict) {
        args.insert(args.end(),
                    {"--strict", "--gw", port_gateway4.str() + ":1194/udp", "--gw", gateway4.str(), "--gw",
                     "[" + port_gateway6.str() + "]:1194/udp", "--gw", gateway6.str()});
    } else {
        auto gateways = gateway_args();
        args.insert(args.end(), gateways.begin(), gateways.end());
    }
    args.insert(args.end(),
                {"--dns", resolver4.str(), "--dns", resolver6.str(), "--vpn-user", std::to_string(vpn_uid)});
    return args;
}

void LeakbpfGuard::attach(World &world, const std::vector<std::string> &more) {
    auto args = attach_args(setting_);
    args.insert(args.end(), more.begin(), more.end());
    world.attach(args);
}

void LeakbpfGuard::takes_in(World &world, const std::string &device) {
    if (!eventually([&] { return guarded(world, device); })) complain(world, device + " is not guarded");
}

void LeakbpfGuard::keeps(World &world, const std::string &device) {
    if (eventually([&] { return !guarded(world, device); }, 1s)) complain(world, device + " was let go");
}

} // namespace lk::harness
