// SPDX-License-Identifier: MIT
#include "net/wireless.h"

#include <linux/genetlink.h>
#include <linux/nl80211.h>
#include <netlink/attr.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>

#include <array>

namespace lk {

namespace {

constexpr int most_tries = 20;
constexpr int most_datagrams = 1000;

} // namespace

Result<Wireless> Wireless::open() {
    auto events = NetlinkSocket::open(NETLINK_GENERIC);
    if (!events) return events.error();
    auto requests = NetlinkSocket::open(NETLINK_GENERIC);
    if (!requests) return requests.error();
    Wireless opened(std::move(*events), std::move(*requests));
    if (auto found = opened.look_again(); !found) return found.error();
    return opened;
}

Result<bool> Wireless::look_again() {
    // All families are listed: asking for one by name would make the kernel load its module.
    std::array<nlattr *, CTRL_ATTR_MAX + 1> found{};
    const genlmsghdr every{.cmd = CTRL_CMD_GETFAMILY, .version = 1, .reserved = 0};
    auto listed = requests_.ask(GENL_ID_CTRL, NLM_F_DUMP, &every, sizeof every, [&](const nlmsghdr &message) {
        genlmsg_parse(const_cast<nlmsghdr *>(&message), 0, found.data(), CTRL_ATTR_MAX, nullptr);
        const bool ours = found[CTRL_ATTR_FAMILY_NAME] && found[CTRL_ATTR_FAMILY_ID] &&
                          nla_strcmp(found[CTRL_ATTR_FAMILY_NAME], NL80211_GENL_NAME) == 0;
        if (ours) family_ = nla_get_u16(found[CTRL_ATTR_FAMILY_ID]);
    });
    if (!listed) return listed.error();
    if (!present()) return false;
    const int group =
        genl_ctrl_resolve_grp(requests_.get(), NL80211_GENL_NAME, NL80211_MULTICAST_GROUP_CONFIG);
    // Without its events an access point that becomes a client would go on as an inside device.
    if (group < 0 || !socket_.join(group)) return failure("netlink: no events of Wi-Fi interfaces (nl80211)");
    return true;
}

Result<bool> Wireless::take_events() {
    bool any = false;
    for (int i = 0; i < most_datagrams; ++i) {
        auto received = socket_.receive([](const nlmsghdr &) {});
        if (!received) return received.error();
        if (*received == NetlinkSocket::Received::nothing) break;
        any = true;
    }
    return any;
}

Result<std::set<int>> Wireless::access_points() {
    std::set<int> found;
    const genlmsghdr every{.cmd = NL80211_CMD_GET_INTERFACE, .version = 0, .reserved = 0};
    for (int i = 0; present() && i < most_tries; ++i) {
        found.clear();
        auto listed = requests_.ask(family_, NLM_F_DUMP, &every, sizeof every, [&](const nlmsghdr &message) {
            std::array<nlattr *, NL80211_ATTR_MAX + 1> attributes{};
            genlmsg_parse(const_cast<nlmsghdr *>(&message), 0, attributes.data(), NL80211_ATTR_MAX, nullptr);
            if (!attributes[NL80211_ATTR_IFINDEX] || !attributes[NL80211_ATTR_IFTYPE]) return;
            const auto type = nla_get_u32(attributes[NL80211_ATTR_IFTYPE]);
            if (type == NL80211_IFTYPE_AP || type == NL80211_IFTYPE_AP_VLAN)
                found.insert(static_cast<int>(nla_get_u32(attributes[NL80211_ATTR_IFINDEX])));
        });
        if (!listed) return listed.error();
        if (*listed) return found;
    }
    if (!present()) return found;
    return failure("the Wi-Fi interfaces change too fast to be read; try again when they have settled");
}

} // namespace lk
