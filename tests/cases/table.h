// SPDX-License-Identifier: MIT
// How the files rows_*.cpp write cases down. Not for others.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "cases/cases.h"

namespace lk {

enum class On { any, ethernet, l3 }; // any: once untagged, once with each sort of tag, once on an L3 device

struct Spec {
    std::string name, row;
    lk_reason reason;
    Packet packet;
    World world;
    Sender sender;
    std::optional<lk_verdict> verdict; // another than the reason's usual one
    std::vector<Packet> earlier, arrived;
    Sender earlier_sender;
    std::uint64_t gap_ns = 0;
    On on = On::any;

    Spec &in(const World &w) { return world = w, *this; }
    Spec &by(const Sender &s) { return sender = s, *this; }
    Spec &after(const Packet &p, const Sender &s = {}) {
        earlier.push_back(p);
        earlier_sender = s;
        return *this;
    }
    Spec &came(const Packet &p) { return arrived.push_back(p), *this; }
    Spec &gap(std::uint64_t seconds) { return gap_ns = seconds * 1'000'000'000ull, *this; }
    Spec &rewritten() { return verdict = LK_REWRITE, *this; }
    Spec &only(On o) { return on = o, *this; }
};

class Table {
  public:
    // Starts from the laptop's world and an ordinary local sender.
    Spec &add(const std::string &name, const std::string &row, lk_reason reason, const Packet &packet);
    std::vector<Case> cases() const;

  private:
    std::deque<Spec> specs_;
};

// The laptop: a home LAN that has a public on-link prefix too, a tunnel, gateways of every sort.
const World &laptop();
World with(void (*change)(World &));

// The same places in either family.
struct Family {
    std::string tag; // "v4", "v6"
    std::string own, own_public;
    std::string any;      // 0.0.0.0, ::
    std::string stranger; // an address that is nowhere
    std::string tunnel;   // the tunnel's own address
    std::string lan, router;
    std::string on_link;         // public
    std::string on_link_gateway; // public, :1194/udp
    std::string internet;
    std::string gw_any;    // no port
    std::string gw_udp;    // :1194/udp
    std::string gw_port;   // :443
    std::string gw_esp;    // /esp
    std::string gw_dns;    // :53/udp
    std::string gw_net;    // the last address of a prefix with :500/udp
    std::string gw_beyond; // the next address after it
    std::string gw_nested; // :4500/udp of its own inside that prefix
    std::string resolver;
    std::string ssdp, mdns, llmnr; // groups
};
const std::vector<Family> &families();

constexpr Sender local{}, daemon_sender{true, false, 0}, forwarded{false, true, 0},
    marked{false, false, 0x51}, marked_elsewhere{false, false, 0x52};

void rows_device(Table &t); // 0
void rows_link(Table &t);   // 1
void rows_malformed_v4(Table &t);
void rows_malformed_v6(Table &t);
void rows_malformed_upper(Table &t);
void rows_source(Table &t);    // 3, 4
void rows_fragment(Table &t);  // F
void rows_gateway(Table &t);   // 5
void rows_embedded(Table &t);  // 5, 10: embedded IPv4
void rows_bootstrap(Table &t); // B
void rows_portal(Table &t);    // P
void rows_dns(Table &t);       // 6, 7
void rows_service(Table &t);   // 8, IPv4 and reports
void rows_neighbour(Table &t); // 8, neighbour discovery
void rows_served(Table &t);    // 9
void rows_lan(Table &t);       // 10
void rows_rest(Table &t);      // 11, 12

} // namespace lk
