// SPDX-License-Identifier: MIT
#include "render/portal.h"

#include <fmt/format.h>

#include "render/text.h"

namespace lk {

namespace {

// A router that a browser can be sent to: link-local addresses need their device, which browsers do not take.
std::string first_page(const OpenPortal &portal) {
    for (const auto &[device, address] : portal.routers) {
        if (address.starts_with("fe80:")) continue;
        const bool v6 = address.find(':') != std::string::npos;
        return fmt::format("http://{}/ or ", v6 ? "[" + address + "]" : address);
    }
    return {};
}

std::string answer_json(const OrderedJson &portal, const std::vector<std::string> &notices) {
    return dumped({{"version", json_version}, {"portal", portal}, {"notices", notices}});
}

} // namespace

std::string portal_text(const std::optional<OpenPortal> &portal) {
    if (!portal) return {};
    std::vector<std::string> routers;
    for (const auto &[device, address] : portal->routers)
        routers.push_back(fmt::format("{} ({})", address, plain(device)));
    return fmt::format(
        "PORTAL OPEN to {}: HTTP and HTTPS in the clear, and DNS while no tunnel is up, for {} s; "
        "leakbpf portal --close closes it\n",
        routers.empty() ? "no router that is here now" : abridged(routers), portal->seconds_left);
}

OrderedJson portal_to_json(const std::optional<OpenPortal> &portal) {
    if (!portal) return nullptr;
    OrderedJson routers = OrderedJson::array();
    for (const auto &[device, address] : portal->routers)
        routers.push_back({{"device", device}, {"address", address}});
    return {{"deadline", utc_text(portal->deadline_unix_s)},
            {"seconds_left", portal->seconds_left},
            {"routers", routers}};
}

std::string portal_opened_text(const PortalAnswer &answer) {
    std::string text = portal_text(answer.portal) + sentences("notice", answer.notices);
    if (answer.portal.routers.empty()) return text;
    return text +
           fmt::format("now open {}any http:// page in a browser; leakbpf portal --close when you are on\n",
                       first_page(answer.portal));
}

std::string portal_opened_json(const PortalAnswer &answer) {
    return answer_json(portal_to_json(answer.portal), answer.notices);
}

std::string portal_closed_text(bool was_open) {
    return was_open ? "closed\n" : "no portal was open\n";
}

std::string portal_closed_json() {
    return answer_json(nullptr, {});
}

} // namespace lk
