// SPDX-License-Identifier: MIT
// The reference model: the rows of docs/policy.md in the page's own order and words, searched one after
// another. Written from the page alone. It must share no code with bpf/ or userspace/image: three judges that
// agree are worth something only while one of them has never seen the others.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <tuple>
#include <vector>

#include "cases/world.h"
#include "fuzz/model_packet.h"

namespace lk::model {

class Model {
  public:
    explicit Model(const World &world);
    // now_ns: any clock that only goes forward; it dates the fragments that passed.
    Answer judge(const Sender &sender, std::span<const std::uint8_t> frame, std::uint64_t now_ns);
    void forget_fragments() { passed_.clear(); }

  private:
    struct Entry { // of a gateway
        Net net;
        Protocol protocol;
        std::uint16_t port; // host byte order; 0: none given
    };
    using FragmentKey = std::tuple<Ip, Ip, std::uint8_t, std::uint32_t>;
    struct Asked { // a service, by this device
        std::uint8_t protocol;
        Ip remote, local;
        std::uint16_t remote_port, local_port;
        bool operator==(const Asked &) const = default;
    };
    struct Passed {
        lk_reason reason;
        std::uint64_t at_ns;
    };

    Answer link(const Link &link, std::span<const std::uint8_t> frame) const;
    Answer decide(const Sender &sender, const Packet &p, std::uint64_t now_ns) const;
    bool row_3(const Packet &p) const; // the source is right
    Answer row_6(const Packet &p) const;
    bool row_p(const Packet &p, std::uint64_t now_ns) const;
    bool row_b(const Packet &p) const; // but for the tunnel
    bool row_8(const Packet &p) const;
    bool row_8_neighbour_solicitation(const Packet &p) const;
    void note_arrival(std::span<const std::uint8_t> frame);
    bool row_9(const Packet &p) const;
    bool row_11(const Packet &p) const;

    bool own(const Ip &ip) const;
    bool lan(const Ip &ip) const;
    bool on_link(const Ip &ip) const;         // inside an on-link prefix
    bool on_link_unicast(const Ip &ip) const; // as row 8 counts it
    bool next_hop(const Ip &ip) const;
    bool router(const Ip &ip) const;  // that a portal is open to
    bool gateway(const Ip &ip) const; // with any port
    bool entry_covers(const Packet &p, const Ip &destination, bool must_name_protocol) const;
    bool covered(const Packet &p, bool must_name_protocol) const; // both addresses, where one is embedded
    bool lan_of_both(const Packet &p) const;

    World world_;
    std::vector<Ip> own_, next_hops_, routers_;
    std::vector<Net> on_link_, lan_, never_lan_;
    std::vector<Entry> entries_;
    std::vector<Asked> asked_;
    std::map<FragmentKey, Passed> passed_;
};

} // namespace lk::model
