// SPDX-License-Identifier: MIT
#include "fuzz/random_packet.h"

#include <arpa/inet.h>

#include <algorithm>

namespace lk::fuzz {

namespace {

constexpr std::size_t remembered_tails = 32;
constexpr std::uint8_t udp = 17, tcp = 6, icmp6 = 58, igmp = 2;

} // namespace

PacketStream::PacketStream(const World &world, Random &random)
    : world_(world), random_(random), around_(surroundings_of(world, random)) {}

const Frame &PacketStream::next() {
    if (cut_to_ > 0) { // cutting: one byte less each time
        frame_.assign(cut_.begin(), cut_.begin() + static_cast<std::ptrdiff_t>(--cut_to_));
        return frame_;
    }
    build();
    if (random_.chance(25)) mutate();
    if (random_.below(800) == 0) {
        cut_ = frame_;
        cut_to_ = cut_.size();
    }
    return frame_;
}

Sender PacketStream::sender() {
    Sender s;
    s.vpn_daemon = !world_.policy.vpn_users.empty() && random_.chance(12);
    s.forwarded = !s.vpn_daemon && random_.chance(15);
    if (random_.chance(30)) s.fwmark = random_.pick({0x51u, 0x151u, 0x52u, 0x5100u, 0xffffffffu});
    return s;
}

void PacketStream::put16(unsigned value) {
    frame_.push_back(static_cast<std::uint8_t>(value >> 8));
    frame_.push_back(static_cast<std::uint8_t>(value));
}

void PacketStream::put32(std::uint32_t value) {
    put16(value >> 16);
    put16(value & 0xffff);
}

void PacketStream::set16(std::size_t at, unsigned value) {
    frame_[at] = static_cast<std::uint8_t>(value >> 8);
    frame_[at + 1] = static_cast<std::uint8_t>(value);
}

void PacketStream::link_header(std::uint16_t type) {
    if (world_.l3) return;
    static const std::array<std::uint8_t, 6> bridge_group{0x01, 0x80, 0xc2, 0, 0, 0}, host{2, 0, 0, 0, 0, 2};
    put(random_.chance(10) ? bridge_group : host);
    put(host);
    const std::size_t tags = random_.chance(70) ? 0 : random_.below(20) == 0 ? 3 : 1 + random_.below(2);
    for (std::size_t i = 0; i < tags; ++i) {
        put16(random_.chance(97) ? random_.pick({0x8100u, 0x88a8u}) : 0x9100u);
        put16(7);
    }
    put16(type);
}

void PacketStream::build() {
    frame_.clear();
    const auto &boots = world_.policy.bootstrap;
    asks_ = !boots.empty() && random_.chance(8) ? &random_.any(boots) : nullptr;
    if (asks_) return asks_->server.is_v4() ? ipv4() : ipv6();
    if (!world_.arrived.empty() && random_.chance(8)) return answer();
    const std::size_t kind = random_.below(100);
    if (kind < 42)
        ipv4();
    else if (kind < 88)
        ipv6();
    else if (kind < 98 && !world_.l3)
        other_link_frame();
    else {
        frame_.resize(random_.below(160));
        for (auto &b : frame_)
            b = random_.byte();
        ip_at_ = 0;
    }
}

void PacketStream::other_link_frame() {
    if (random_.chance(60)) {
        link_header(0x0806);
        ip_at_ = frame_.size();
        put16(1);
        put16(0x0800);
        put16(0x0604);
        put16(random_.chance(95) ? 1 + static_cast<unsigned>(random_.below(2)) : 3);
        frame_.resize(frame_.size() + 6);
        put(random_.chance(80)   ? random_.any(around_.own4)
            : random_.chance(50) ? std::array<std::uint8_t, 4>{}
                                 : random_.any(around_.v4));
        frame_.resize(frame_.size() + 6);
        put(random_.any(around_.v4));
        return;
    }
    if (random_.chance(30)) { // a BPDU
        static const std::array<std::uint8_t, 12> macs{0x01, 0x80, 0xc2, 0, 0, 0, 2, 0, 0, 0, 0, 1};
        put(macs);
        put16(random_.pick({0x26u, 0x26u, 0x5ffu, 0x600u, 0u}));
        frame_.insert(frame_.end(), {0x42, 0x42, 0x03});
        ip_at_ = 0;
        frame_.resize(frame_.size() + random_.below(40));
        return;
    }
    link_header(
        random_.pick<std::uint16_t>({0x888e, 0x8809, 0x8863, 0x8864, 0x888f, 0x1234, 0x8847, 0x0026}));
    ip_at_ = frame_.size();
    frame_.resize(frame_.size() + random_.below(64));
}

PacketStream::Wish PacketStream::any_wish(bool v6) {
    static const std::vector<Wish> wishes4{{udp, "255.255.255.255", 68, 67, 0, 64, true},
                                           {udp, "255.255.255.255", 68, 67, 0, 64, false},
                                           {udp, nullptr, 68, 67, 0, 64, false},
                                           {igmp, "224.0.0.22", 0, 0, 0x22, 1, false},
                                           {igmp, "224.0.0.22", 0, 0, 0x22, 1, true},
                                           {udp, "224.0.0.251", 5353, 5353, 0, 255, false},
                                           {udp, "239.255.255.250", 4000, 1900, 0, 1, false},
                                           {udp, "224.0.0.252", 4000, 5355, 0, 1, false}};
    static const std::vector<Wish> wishes6{
        {udp, "ff02::1:2", 546, 547, 0, 1, false},         {udp, "fe80::1", 546, 547, 0, 64, false},
        {icmp6, "ff02::2", 0, 0, 133, 255, false},         {icmp6, "ff02::2", 0, 0, 133, 255, true},
        {icmp6, "ff02::1:ff00:10", 0, 0, 135, 255, false}, {icmp6, "ff02::1:ff00:10", 0, 0, 135, 255, false},
        {icmp6, "ff02::1:ff00:10", 0, 0, 135, 255, true},  {icmp6, nullptr, 0, 0, 135, 255, false},
        {icmp6, nullptr, 0, 0, 136, 255, false},           {icmp6, "ff02::1", 0, 0, 136, 255, false},
        {icmp6, "ff02::16", 0, 0, 143, 1, false},          {icmp6, "ff02::16", 0, 0, 131, 1, true},
        {icmp6, "ff05::2", 0, 0, 132, 1, false},           {udp, "ff02::fb", 5353, 5353, 0, 255, false},
        {udp, "ff02::c", 4000, 1900, 0, 1, false},         {udp, "ff05::c", 4000, 1900, 0, 1, false},
        {udp, "ff02::1:3", 4000, 5355, 0, 1, false}};
    if (!random_.chance(22)) return {};
    return v6 ? random_.any(wishes6) : random_.any(wishes4);
}

std::uint8_t PacketStream::any_protocol(bool v6) {
    if (granted()) return wish_.protocol;
    const std::size_t n = random_.below(100);
    if (n < 45) return udp;
    if (n < 62) return tcp;
    if (n < 82) return v6 ? icmp6 : random_.pick<std::uint8_t>({1, igmp, igmp});
    return random_.pick<std::uint8_t>(
        {1, igmp, 4, 33, 41, 47, 50, 50, 58, 59, 94, 132, 136, 136, 255, 43, 135});
}

void PacketStream::ports(bool v6) {
    if (granted() && wish_.port) {
        put16(wish_.source_port);
        put16(wish_.port);
        return;
    }
    static constexpr unsigned pairs[][2] = {{68, 67}, {546, 547}, {5353, 5353}, {1900, 1900}, {5355, 5355}};
    if (random_.chance(25)) {
        const auto &pair = pairs[random_.chance(50) ? (v6 ? 1 : 0) : random_.below(5)];
        put16(pair[0]);
        put16(pair[1]);
        return;
    }
    put16(random_.chance(30) ? random_.any(around_.ports) : 40000);
    put16(random_.chance(90) ? random_.any(around_.ports) : random_.between(0, 65535));
}

// What came in, turned round.
void PacketStream::answer() {
    frame_ = random_.any(world_.arrived);
    ip_at_ = world_.l3 ? 0 : 14;
    const bool v4 = frame_[ip_at_] >> 4 == 4;
    const std::size_t size = v4 ? 4 : 16, source = ip_at_ + (v4 ? 12 : 8);
    const std::size_t upper = v4 ? ip_at_ + 20 : ip_at_ + 40;
    const auto at = [this](std::size_t offset) {
        return frame_.begin() + static_cast<std::ptrdiff_t>(offset);
    };
    std::swap_ranges(at(source), at(source + size), at(source + size));
    if (frame_.size() < upper + 14) return;
    std::swap_ranges(at(upper), at(upper + 2), at(upper + 2));
    const std::uint8_t protocol = frame_[ip_at_ + (v4 ? 9 : 6)];
    if (protocol == 6) frame_[upper + 13] = random_.pick<std::uint8_t>({0x12, 0x10, 0x18, 0x11, 4, 0x14, 2});
}

// For a name of the world, more often right than not.
void PacketStream::query() {
    const std::size_t from = frame_.size();
    const auto right = [&](unsigned value) { return random_.chance(98) ? value : random_.between(0, 65535); };
    put16(random_.chance(98) ? 40000 : 0);
    put16(right(53));
    put16(0);
    put16(0);
    put16(0x4c4b);
    put16(random_.chance(95) ? random_.pick({0x0100u, 0u, 0x0120u, 0x0130u, 0x0110u})
                             : 1u << random_.below(16));
    put16(right(1));
    put16(right(0));
    put16(right(0));
    const bool edns = random_.chance(40);
    put16(right(edns ? 1 : 0));
    std::string name = asks_->name.wire();
    if (random_.chance(30))
        for (char &c : name)
            if (c >= 'a' && c <= 'z' && random_.chance(50)) c = static_cast<char>(c - 32);
    if (random_.chance(10)) name[random_.below(name.size())] = static_cast<char>(random_.byte());
    if (random_.chance(4)) name.insert(0, random_.chance(50) ? std::string("\1a") : std::string("\xc0\x0c"));
    put(name);
    put16(random_.chance(95) ? random_.pick({1u, 28u, 65u}) : random_.between(0, 300));
    put16(right(1));
    if (edns) {
        const std::array<std::uint8_t, 11> opt{0, 0, 41, 16, 0, 0, 0, 0, 0, 0, 0};
        put(opt);
        if (random_.chance(5)) frame_[frame_.size() - 1 - random_.below(11)] = random_.byte();
    }
    if (random_.chance(4)) frame_.resize(frame_.size() + 1 + random_.below(12));
    set16(from + 4, static_cast<unsigned>(frame_.size() - from) + (random_.chance(98) ? 0 : 1));
}

void PacketStream::upper(bool v6, std::uint8_t protocol) {
    const std::size_t data = random_.chance(80) ? random_.below(24) : random_.below(200);
    const std::size_t from = frame_.size();
    if (protocol == udp && asks_) return query();
    if (protocol == udp) {
        ports(v6);
        const std::size_t length = 8 + data;
        put16(static_cast<unsigned>(random_.chance(92) ? length : length + random_.below(5) - 2));
        put16(0);
    } else if (protocol == tcp) {
        ports(v6);
        put32(1);
        put32(0);
        const unsigned words = random_.chance(85) ? 5 : random_.between(0, 15);
        put16(words << 12 | 2);
        put16(0xffff);
        put32(0);
    } else if (protocol == icmp6) {
        frame_.push_back(granted() && wish_.type
                             ? wish_.type
                             : random_.pick<std::uint8_t>(
                                   {128, 130, 131, 132, 133, 134, 135, 135, 135, 136, 136, 137, 143, 144}));
        frame_.resize(from + 8);
        const auto &target = random_.any(around_.v6);
        frame_.insert(frame_.end(), target.begin(), target.end());
    } else if (random_.chance(10)) { // too short for some
        frame_.resize(from + random_.below(9));
        return;
    } else {
        ports(v6);
        put32(random_.chance(50) ? 0 : static_cast<std::uint32_t>(random_.next()));
    }
    frame_.resize(frame_.size() + data);
}

void PacketStream::ipv4() {
    link_header(0x0800);
    const std::size_t at = ip_at_ = frame_.size();
    wish_ = any_wish(false);
    const std::uint8_t protocol = asks_ ? udp : any_protocol(false);
    std::array<std::uint8_t, 4> source = random_.chance(80)   ? random_.any(around_.own4)
                                         : random_.chance(50) ? std::array<std::uint8_t, 4>{}
                                                              : random_.any(around_.v4);
    std::array<std::uint8_t, 4> destination = random_.any(around_.v4);
    if (granted()) {
        if (wish_.from_any) source = {};
        if (wish_.destination) inet_pton(AF_INET, wish_.destination, destination.data());
    }
    if (asks_) std::copy_n(asks_->server.bytes().begin() + 12, 4, destination.begin());
    if (random_.chance(5)) destination[random_.below(4)] = random_.byte();
    std::uint8_t in_header = protocol;
    std::uint32_t id = static_cast<std::uint32_t>(random_.below(4));
    unsigned fragment = 0;
    const bool fragmented = random_.chance(18);
    if (fragmented) fragment = random_.pick({0x2000u, 0x2000u, 0x2000u, 0x2001u, 1u, 0x1fffu, 185u});
    if (fragmented && !tails_.empty() && random_.chance(45)) {
        const Tail &t = random_.any(tails_);
        if (!t.v6) {
            std::copy_n(t.source.begin(), 4, source.begin());
            std::copy_n(t.destination.begin(), 4, destination.begin());
            in_header = t.protocol;
            id = t.id;
            if (random_.chance(90)) fragment = random_.pick({185u, 0x2001u, 0x1fffu});
        }
    }
    if (random_.chance(10)) fragment |= random_.pick({0x4000u, 0x8000u});
    const bool alert = protocol == igmp && random_.chance(50), option = alert || random_.chance(2);
    frame_.push_back(option ? 0x46 : 0x45);
    frame_.push_back(0);
    put16(0);
    put16(id);
    put16(fragment);
    frame_.push_back(granted() ? wish_.hop_limit : random_.pick<std::uint8_t>({64, 1, 1, 255, 2}));
    frame_.push_back(in_header);
    put16(0);
    put(source);
    put(destination);
    if (option) put32(random_.chance(90) ? 0x94040000 : 0x01010101);
    upper(false, protocol);
    set16(at + 2, static_cast<unsigned>(frame_.size() - at));
    if ((fragment & 0x3fff) == 0x2000) {
        Tail t{false, {}, {}, in_header, id};
        std::copy(source.begin(), source.end(), t.source.begin());
        std::copy(destination.begin(), destination.end(), t.destination.begin());
        if (tails_.size() < remembered_tails)
            tails_.push_back(t);
        else
            tails_[random_.below(remembered_tails)] = t;
    }
}

void PacketStream::ipv6() {
    link_header(0x86dd);
    const std::size_t at = ip_at_ = frame_.size();
    wish_ = any_wish(true);
    const std::uint8_t protocol = asks_ ? udp : any_protocol(true);
    std::array<std::uint8_t, 16> source = random_.chance(80)   ? random_.any(around_.own6)
                                          : random_.chance(50) ? std::array<std::uint8_t, 16>{}
                                                               : random_.any(around_.v6);
    std::array<std::uint8_t, 16> destination = random_.any(around_.v6);
    if (granted()) {
        if (wish_.from_any) source = {};
        if (wish_.destination) inet_pton(AF_INET6, wish_.destination, destination.data());
    }
    if (asks_) destination = asks_->server.bytes();
    if (random_.chance(5)) destination[random_.below(16)] = random_.byte();
    const bool fragmented = random_.chance(18);
    unsigned fragment = 0;
    std::uint32_t id = static_cast<std::uint32_t>(random_.below(4)) << (random_.chance(50) ? 0 : 16);
    if (fragmented) fragment = random_.pick({1u, 1u, 1u, 1u, 0u, 8u, 9u, 0xfff8u, 6u});
    int tail_protocol = -1;
    if (fragmented && !tails_.empty() && random_.chance(45)) {
        const Tail &t = random_.any(tails_);
        if (t.v6) {
            source = t.source;
            destination = t.destination;
            tail_protocol = t.protocol;
            id = t.id;
            if (random_.chance(90)) fragment = random_.pick({8u, 9u, 0xfff8u});
        }
    }
    put32(0x60000000);
    put32(0);
    put(source);
    put(destination);
    frame_[at + 7] = granted() ? wish_.hop_limit : random_.pick<std::uint8_t>({255, 255, 1, 64, 254});

    // The chain, each header's "next" filled in by the one behind it.
    std::size_t next_at = at + 6;
    const auto name = [&](std::uint8_t type) { frame_[next_at] = type; };
    const std::size_t extras = random_.chance(75)   ? 0
                               : random_.chance(90) ? 1 + random_.below(3)
                                                    : random_.below(10);
    const std::size_t fragment_before = random_.below(extras + 1);
    for (std::size_t i = 0; i <= extras; ++i) {
        if (fragmented && i == fragment_before) {
            name(44);
            next_at = frame_.size();
            frame_.push_back(0);
            frame_.push_back(0);
            put16(fragment);
            put32(id);
        }
        if (i == extras) break;
        const std::uint8_t type =
            i == 0 && random_.chance(40)
                ? 0
                : random_.pick<std::uint8_t>({60, 60, 60, 60, 60, 51, 51, 0, 44, 43, 139, 140, 253, 254});
        name(type);
        next_at = frame_.size();
        frame_.push_back(0);
        const unsigned units = random_.chance(90) ? static_cast<unsigned>(random_.below(4)) : random_.byte();
        frame_.push_back(static_cast<std::uint8_t>(units));
        std::size_t size = type == 51 ? (units + 2) * 4 : (units + 1) * 8;
        if (type == 44) size = 8;
        frame_.resize(next_at + (random_.chance(97) ? size : 2 + random_.below(size)));
        if (type == 44) frame_[next_at + 3] = 0;
    }
    name(tail_protocol >= 0 && fragment_before == extras ? static_cast<std::uint8_t>(tail_protocol)
                                                         : protocol);
    upper(true, protocol);
    set16(at + 4, static_cast<unsigned>(frame_.size() - at - 40));
    if (fragmented && (fragment & 0xfff9) == 1) {
        // What the fragment header names: it is the last when nothing stands behind it.
        if (fragment_before != extras) return;
        const Tail t{true, source, destination, protocol, id};
        if (tails_.size() < remembered_tails)
            tails_.push_back(t);
        else
            tails_[random_.below(remembered_tails)] = t;
    }
}

void PacketStream::mutate() {
    for (std::size_t i = 1 + random_.below(2); i-- > 0 && !frame_.empty();) {
        const std::size_t header = std::min<std::size_t>(frame_.size() - ip_at_, 100);
        switch (random_.below(7)) {
        case 0: frame_.resize(random_.below(frame_.size() + 1)); break;
        case 1: frame_.resize(frame_.size() + random_.below(20)); break; // padding
        case 2:
            if (header) frame_[ip_at_ + random_.below(header)] = random_.byte();
            break;
        case 3:
            if (header)
                frame_[ip_at_ + random_.below(header)] ^= static_cast<std::uint8_t>(1u << random_.below(8));
            break;
        case 4: // the IP length, by a little
            if (header >= 6) {
                const std::size_t at = ip_at_ + (frame_[ip_at_] >> 4 == 6 ? 4 : 2);
                set16(at, static_cast<unsigned>((frame_[at] << 8 | frame_[at + 1]) + random_.below(9) - 4));
            }
            break;
        case 5:
            if (header)
                frame_[ip_at_] =
                    static_cast<std::uint8_t>(random_.pick({4, 5, 6, 0}) << 4 | random_.below(16));
            break;
        case 6: frame_[random_.below(frame_.size())] = random_.byte(); break;
        }
        ip_at_ = std::min(ip_at_, frame_.size());
    }
}

} // namespace lk::fuzz
