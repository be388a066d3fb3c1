// SPDX-License-Identifier: MIT
#include "chaos/world.h"

#include <fmt/format.h>

#include "chaos/flows.h"

namespace lk::chaos {

namespace {

std::string near_mac(int uplink) {
    return fmt::format("02:00:00:00:{:02x}:02", 9 + uplink);
}
std::string far_mac(int uplink) {
    return fmt::format("02:00:00:00:{:02x}:01", 9 + uplink);
}

} // namespace

World::World() : host_("lk-chaos-host"), far_("lk-chaos-far"), elsewhere_("lk-chaos-else") {
    for (const char *key : {"ipv4/conf/all/rp_filter", "ipv4/conf/default/rp_filter"})
        host_.sysctl(key, "0");
    host_.sysctl("ipv6/conf/default/addr_gen_mode", "1"); // no addresses but ours
    far_.sysctl("ipv6/conf/default/addr_gen_mode", "1");
    far_.sysctl("ipv6/conf/default/disable_ipv6", "1"); // nobody is there to answer
    elsewhere_.sysctl("ipv6/conf/default/addr_gen_mode", "1");
    plug(0);
}

std::string World::settings(int uplink, const std::string &device) {
    const std::string gateway4 = fmt::format("10.9.{}.1", uplink);
    const std::string gateway6 = fmt::format("2001:db8:9:{}::1", uplink);
    std::string lines = fmt::format("link set {0} up\n"
                                    "addr replace 10.9.{1}.2/24 dev {0}\n"
                                    "addr replace 2001:db8:9:{1}::2/64 dev {0} nodad\n"
                                    "neigh replace {2} lladdr {4} dev {0} nud permanent\n"
                                    "neigh replace {3} lladdr {4} dev {0} nud permanent\n",
                                    device, uplink, gateway4, gateway6, far_mac(uplink));
    const auto route = [&](const std::string &to, bool v4) {
        lines += fmt::format("route replace {} via {} dev {} metric {}\n", to, v4 ? gateway4 : gateway6,
                             device, uplink == 0 ? 200 : 100);
    };
    if (uplink == 0)
        for (const Flow &flow : flows())
            if (flow.path == Path::pinned && !flow.tcp) route(flow.dst.str(), flow.dst.family == 4);
    route("default", true);
    route("default", false);
    return lines;
}

void World::plug(int uplink) {
    const std::string far_end = fmt::format("far{}", uplink);
    host_.ip(fmt::format("link add {} address {} type veth peer name {} address {} netns {}\n{}",
                         name(uplink), near_mac(uplink), far_end, far_mac(uplink), far_.name(),
                         settings(uplink, name(uplink))));
    far_.inside([&] { harness::bring_up(far_end); }); // the cable: from now on packets leave
}

void World::unplug(int uplink) {
    host_.ip("link del " + name(uplink));
}

void World::configure(int uplink, const std::string &device) {
    host_.ip(settings(uplink, device));
}

std::uint16_t World::uplink_of_far_mac(const unsigned char *mac) {
    return mac[4] == 9 ? 0 : 1;
}

} // namespace lk::chaos
