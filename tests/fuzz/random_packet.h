// SPDX-License-Identifier: MIT
// Frames about a world: mostly well-formed, so that the later rows are reached, then mutated. A stream,
// because tails follow first fragments and a frame is sometimes cut at each byte in turn.
#pragma once

#include <vector>

#include "fuzz/random_world.h"

namespace lk::fuzz {

using Frame = std::vector<std::uint8_t>;

class PacketStream {
  public:
    PacketStream(const World &world, Random &random);
    const Frame &next();
    Sender sender();

  private:
    void build();
    void link_header(std::uint16_t type);
    void other_link_frame();
    void ipv4();
    void ipv6();
    void query();
    void answer();
    void upper(bool v6, std::uint8_t protocol);
    bool granted() { return wish_.protocol != 0 && random_.chance(93); }
    void ports(bool v6);
    std::uint8_t any_protocol(bool v6);
    void mutate();
    void put16(unsigned value);
    void put32(std::uint32_t value);
    template <typename Bytes>
    void put(const Bytes &bytes) {
        frame_.insert(frame_.end(), bytes.begin(), bytes.end());
    }
    void set16(std::size_t at, unsigned value);

    // What makes a packet one of the link's own (row 8, 11): now and then all of it, more often most of it.
    struct Wish {
        std::uint8_t protocol = 0; // 0: no wish
        const char *destination = nullptr;
        unsigned source_port = 0, port = 0;
        std::uint8_t type = 0, hop_limit = 0;
        bool from_any = false;
    };
    Wish any_wish(bool v6);
    Wish wish_;
    const BootstrapName *asks_ = nullptr; // one of the world's names is asked for

    struct Tail { // what a tail of an earlier first fragment must repeat
        bool v6;
        std::array<std::uint8_t, 16> source, destination;
        std::uint8_t protocol;
        std::uint32_t id;
    };
    const World world_;
    Random &random_;
    const Surroundings around_;
    Frame frame_, cut_;
    std::size_t cut_to_ = 0;
    std::size_t ip_at_ = 0; // offset of the IP header
    std::vector<Tail> tails_;
};

} // namespace lk::fuzz
