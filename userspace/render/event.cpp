// SPDX-License-Identifier: MIT
#include "render/event.h"

#include <arpa/inet.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

#include <cstring>

#include "policy/address.h"
#include "render/json.h"
#include "render/names.h"
#include "render/text.h"

namespace lk {

namespace {

// A socket hook has no frame, and so no ethertype.
bool has_addresses(const lk_event &event) {
    return event.hook != LK_HOOK_SETSOCKOPT &&
           (event.hook != LK_HOOK_UPLINK || event.ethertype == ETH_P_IP || event.ethertype == ETH_P_IPV6);
}

bool has_ports(const lk_event &event) {
    return event.proto == IPPROTO_TCP || event.proto == IPPROTO_UDP || event.proto == IPPROTO_UDPLITE ||
           event.proto == IPPROTO_SCTP;
}

std::string endpoint(const lk_event &event, const lk_addr &addr, __be16 port) {
    const Address address = Address::from_abi(addr);
    if (!has_ports(event)) return address.str();
    const std::string host = address.is_v4() ? address.str() : '[' + address.str() + ']';
    return fmt::format("{}:{}", host, ntohs(port));
}

OrderedJson endpoint_json(const lk_event &event, const lk_addr &addr, __be16 port) {
    if (!has_addresses(event)) return nullptr;
    OrderedJson json{{"address", Address::from_abi(addr).str()}};
    if (has_ports(event)) json["port"] = ntohs(port);
    return json;
}

std::string command(const lk_event &event) {
    return {event.comm, strnlen(event.comm, sizeof event.comm)};
}

OrderedJson or_null(bool known, OrderedJson value) {
    return known ? std::move(value) : OrderedJson(nullptr);
}

std::chrono::microseconds fraction(const EventNames &names) {
    return std::chrono::duration_cast<std::chrono::microseconds>(names.time % std::chrono::seconds(1));
}

std::time_t whole(const EventNames &names) {
    return std::chrono::duration_cast<std::chrono::seconds>(names.time).count();
}

} // namespace

std::string event_text(const lk_event &event, const EventNames &names) {
    std::string line =
        fmt::format("{:%H:%M:%S}.{:06} {} {}", fmt::localtime(whole(names)), fraction(names).count(),
                    verdict_name(event.verdict), reason_name(event.reason));
    if (has_addresses(event)) {
        line += ' ' + protocol_name(event.proto);
        // The connect hooks run before a source is chosen.
        if (event.hook == LK_HOOK_UPLINK) line += ' ' + endpoint(event, event.src, event.sport);
        line += " -> " + endpoint(event, event.dst, event.dport);
    } else if (event.hook == LK_HOOK_UPLINK) {
        line += fmt::format(" ethertype 0x{:04x}", event.ethertype);
    }
    if (event.hook != LK_HOOK_UPLINK)
        line += fmt::format(" at {}", hook_name(event.hook));
    else
        line += fmt::format(" on {}", names.device.empty() ? fmt::format("device {}", event.ifindex)
                                                           : plain(names.device));
    if (event.flags & LK_EVENT_FORWARDED) line += " forwarded";
    if (event.flags & LK_EVENT_UID)
        line += fmt::format(" user {}", names.user.empty() ? std::to_string(event.uid) : plain(names.user));
    if (event.pid) line += fmt::format(" pid {} ({})", event.pid, plain(command(event)));
    if (event.cgroup_id)
        line += fmt::format(" cgroup {}",
                            names.cgroup.empty() ? std::to_string(event.cgroup_id) : plain(names.cgroup));
    return line;
}

std::string event_json(const lk_event &event, const EventNames &names) {
    const bool uplink = event.hook == LK_HOOK_UPLINK;
    const bool socket = event.flags & LK_EVENT_UID;
    return dumped({{"time", fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z", fmt::gmtime(whole(names)),
                                        fraction(names).count())},
                   {"hook", hook_name(event.hook)},
                   {"verdict", verdict_name(event.verdict)},
                   {"reason", reason_name(event.reason)},
                   {"protocol", or_null(has_addresses(event), protocol_name(event.proto))},
                   {"ethertype", event.ethertype},
                   {"source", uplink ? endpoint_json(event, event.src, event.sport) : OrderedJson(nullptr)},
                   {"destination", endpoint_json(event, event.dst, event.dport)},
                   {"device", or_null(uplink, {{"ifindex", event.ifindex},
                                               {"name", or_null(!names.device.empty(), names.device)}})},
                   {"forwarded", (event.flags & LK_EVENT_FORWARDED) != 0},
                   {"uid", or_null(socket, event.uid)},
                   {"user", or_null(socket && !names.user.empty(), names.user)},
                   {"pid", or_null(event.pid != 0, event.pid)},
                   {"command", or_null(event.pid != 0, command(event))},
                   {"cgroup_id", or_null(event.cgroup_id != 0, event.cgroup_id)},
                   {"cgroup", or_null(!names.cgroup.empty(), names.cgroup)},
                   {"bytes", event.length_bytes}},
                  false);
}

} // namespace lk
