// SPDX-License-Identifier: MIT
#include <arpa/inet.h>

#include <algorithm>

#include "fuzz/random_world.h"

namespace lk::fuzz {

namespace {

using V4 = std::array<std::uint8_t, 4>;
using V6 = std::array<std::uint8_t, 16>;

V4 v4(const char *text) {
    V4 out;
    inet_pton(AF_INET, text, out.data());
    return out;
}

V6 v6(const char *text) {
    V6 out;
    inet_pton(AF_INET6, text, out.data());
    return out;
}

template <std::size_t N>
std::array<std::uint8_t, N> step(std::array<std::uint8_t, N> bytes, bool up) {
    for (std::size_t i = N; i-- > 0;) {
        bytes[i] = static_cast<std::uint8_t>(bytes[i] + (up ? 1 : -1));
        if (bytes[i] != (up ? 0 : 0xff)) break;
    }
    return bytes;
}

class Collector {
  public:
    explicit Collector(Surroundings &out) : out_(out) {}
    void add(const Address &a) {
        if (a.is_v4()) {
            V4 bytes;
            std::copy_n(a.bytes().begin() + 12, 4, bytes.begin());
            with_neighbours(bytes, out_.v4);
        } else {
            with_neighbours(a.bytes(), out_.v6);
        }
    }
    // First, last, and what stands beside them.
    void add(const Prefix &p) {
        add(p.address);
        auto last = p.address.bytes();
        for (unsigned bit = p.mapped_length(); bit < 128; ++bit)
            last[bit / 8] |= static_cast<std::uint8_t>(0x80 >> bit % 8);
        add(Address::from_v6(last.data()));
    }

  private:
    template <std::size_t N>
    static void with_neighbours(const std::array<std::uint8_t, N> &bytes,
                                std::vector<std::array<std::uint8_t, N>> &to) {
        to.push_back(bytes);
        to.push_back(step(bytes, true));
        to.push_back(step(bytes, false));
    }
    Surroundings &out_;
};

} // namespace

Surroundings surroundings_of(const World &world, Random &random) {
    Surroundings out;
    Collector all(out);
    for (const WorldAddress &a : world.own) {
        all.add(Prefix::of(a.address, a.prefix_length));
        all.add(a.address);
        if (a.address.is_v4()) {
            V4 bytes;
            std::copy_n(a.address.bytes().begin() + 12, 4, bytes.begin());
            out.own4.push_back(bytes);
        } else {
            out.own6.push_back(a.address.bytes());
        }
    }
    for (const WorldAddress &a : world.tunnels) {
        all.add(Prefix::of(a.address, a.prefix_length));
        all.add(a.address);
    }
    for (const Address &a : world.next_hops)
        all.add(a);
    for (const Resolver &r : world.policy.resolvers)
        all.add(r.address);
    for (const Prefix &p : world.policy.lan)
        all.add(p);
    for (int thrice = 0; thrice < 3; ++thrice)
        for (const Address &a : world.routers)
            all.add(a);
    out.ports = {53, 53, 80, 67, 68, 137, 138, 443, 500, 546, 547, 853, 1194, 1900, 5353, 5355, 0, 65535};
    for (const Gateway &g : world.policy.gateways) {
        all.add(g.prefix);
        if (g.port) out.ports.push_back(g.port);
    }
    for (const char *text : {"255.255.255.255", "224.0.0.1", "224.0.0.22", "224.0.0.251", "224.0.0.252",
                             "239.255.255.250", "0.0.0.0", "127.0.0.1"})
        out.v4.push_back(v4(text));
    for (int twice = 0; twice < 3; ++twice)
        for (const char *text :
             {"ff02::1", "ff02::2", "ff02::16", "ff02::fb", "ff02::c", "ff05::c", "ff02::1:2", "ff02::1:3",
              "ff02::1:ff00:10", "fe80::1", "::", "::1", "::ffff:10.0.0.1"})
            out.v6.push_back(v6(text));
    // IPv4 addresses of the world inside IPv6 ones.
    std::vector<V6> heads{v6("2002::"), v6("64:ff9b::"), v6("::ffff:0:0")};
    for (const Prefix &n : world.policy.nat64)
        heads.push_back(n.address.bytes());
    const std::size_t embedded = out.v4.size();
    for (std::size_t i = 0; i < embedded; ++i) {
        V6 bytes = random.any(heads);
        const bool six_to_four = bytes[0] == 0x20 && bytes[1] == 0x02;
        std::copy(out.v4[i].begin(), out.v4[i].end(), bytes.begin() + (six_to_four ? 2 : 12));
        out.v6.push_back(bytes);
    }
    if (out.own4.empty()) out.own4.push_back(v4("192.168.1.10"));
    if (out.own6.empty()) out.own6.push_back(v6("fe80::10"));
    return out;
}

} // namespace lk::fuzz
