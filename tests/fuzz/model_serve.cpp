// SPDX-License-Identifier: MIT
// Row 9: who has asked a service, and what is an answer. All that came in is fresh here: how long it counts
// is the matter of the tests of the table.
#include <algorithm>

#include "fuzz/model.h"

namespace lk::model {

namespace {

constexpr unsigned fin = 1, syn = 2, rst = 4, ack = 16;

unsigned tcp_flags(const Packet &p) {
    return p.protocol == 6 ? p.to_the_end_of_the_frame[13] : 0;
}

// Does a --serve name this local port and this remote end?
bool named(const Policy &policy, std::uint8_t protocol, std::uint16_t port, const Ip &remote) {
    return std::any_of(policy.services.begin(), policy.services.end(), [&](const ServedPort &s) {
        if ((s.protocol == Protocol::tcp ? 6 : 17) != protocol || s.port != port) return false;
        return !s.from || net(s.from->address, s.from->length).contains(remote);
    });
}

} // namespace

void Model::note_arrival(std::span<const std::uint8_t> frame) {
    const auto l = read_link(world_.l3, frame);
    if (!l || (l->type != 0x0800 && l->type != 0x86dd)) return;
    const auto p = l->type == 0x0800 ? read_ipv4(l->rest) : read_ipv6(l->rest);
    if (!p || p->shape != Shape::whole || !p->tcp_or_udp()) return;
    if (p->protocol == 6 && (tcp_flags(*p) & (fin | syn | rst | ack)) != syn) return;
    static const Net groups4 = net("224.0.0.0", 4), groups6 = net("ff00::", 8);
    const Ip &from = p->source;
    for (const char *none : {"0.0.0.0", "::", "255.255.255.255"})
        if (from == ip(none)) return;
    if (groups4.contains(from) || groups6.contains(from) || own(from) || !own(p->destination)) return;
    if (!named(world_.policy, p->protocol, p->port, from)) return;
    asked_.push_back({p->protocol, from, p->destination, p->source_port, p->port});
}

bool Model::row_9(const Packet &p) const {
    if (!p.tcp_or_udp()) return false;
    if ((tcp_flags(p) & (syn | ack)) == syn) return false;
    const Asked reverse{p.protocol, p.destination, p.source, p.port, p.source_port};
    return named(world_.policy, p.protocol, p.source_port, p.destination) &&
           std::find(asked_.begin(), asked_.end(), reverse) != asked_.end();
}

} // namespace lk::model
