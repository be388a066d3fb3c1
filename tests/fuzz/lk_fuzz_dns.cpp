// SPDX-License-Identifier: MIT
// lk_fuzz_dns --packets N --seed S [--kernel yes|no|auto]: random queries and answers through bpf/carry.h,
// natively and (as root) in the kernel. Both must come to the same bytes, which must be right for a reader of
// our own, and reverse(forward(x)) must be x.
#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <optional>
#include <random>

#include "fuzz/dns_packet.h"
#include "fuzz/dns_parts.h"
#include "fuzz/native_carry.h"
#include "fuzz/random.h"
#include "prog_run/kernel_carry.h"

namespace lk::fuzz {
namespace {

constexpr int told_at_most = 10;
constexpr std::uint16_t nat_first = 61000, nat_last = 65095;

lk_addr abi(const Peer &peer, bool v6) {
    lk_addr out{};
    if (v6) {
        std::memcpy(&out, peer.address.data(), 16);
    } else {
        out.w[2] = __builtin_bswap32(0xffff);
        std::memcpy(&out.w[3], peer.address.data(), 4);
    }
    return out;
}

constexpr std::uint64_t forwarded = 1ull << 32; // as bpf/nat.h has it

__be16 be(std::uint16_t port) {
    return __builtin_bswap16(port);
}

class Run {
  public:
    Run(std::uint64_t seed, bool with_kernel) : random_(seed) {
        lk_native_carry_reset();
        if (with_kernel) kernel_.emplace();
    }

    void round() {
        ++number_;
        // Now and then a flood, in which time all but stands still and there are more askers than shares.
        flood_ = number_ % 20'000 >= 10'000;
        if (!flood_)
            now_ += static_cast<std::uint32_t>(random_.chance(1) ? random_.below(9'000) : random_.below(3));
        else if (random_.chance(1))
            ++now_;
        // With the kernel, what its test packets can be: finished checksums and, to change the family,
        // Ethernet.
        DnsPacket query = any_query();
        query.partial = !kernel_ && random_.chance(15);
        query.no_checksum = !query.v6 && !query.tcp && !query.partial && random_.chance(15);
        const bool to6 = query.v6 && random_.chance(50);
        l3_ = (!kernel_ || to6 == query.v6) && random_.chance(30);
        const lk_carry_test test = any_case(query, to6);

        Bytes frame = build(query, l3_);
        const auto code = carry(true, test, frame, query.partial);
        if (!code) return;
        ++outcomes_[*code];
        if (*code == LK_NATIVE_FULL || *code == LK_NATIVE_STRAY) {
            if (frame != build(query, l3_)) tell("a query that was not carried is not what it was");
            const bool opens = !query.tcp || (query.tcp_header_rest[9] & 2);
            if (opens && *code == LK_NATIVE_STRAY) tell("a query that may open a flow is a stray");
            return;
        }
        if (*code != LK_NATIVE_DONE) return tell(fmt::format("a query came to {}", *code));
        const auto sent = read(frame, l3_, query.partial);
        if (!sent) return tell("what was sent is malformed, or its checksum is wrong");
        check_query(query, *sent, test);
        check_port(query, *sent, test.sender);
        back(query, *sent, test);
        if (random_.chance(20)) forged(query, *sent, test);
        if (random_.chance(20)) error_back(query, *sent, test);
    }

    std::uint64_t failures() const { return failures_; }
    std::uint64_t asked_kernel() const { return asked_kernel_; }
    std::uint64_t answers() const { return answers_; }
    std::uint64_t parted() const { return parted_; }
    std::uint64_t errors() const { return errors_; }
    const std::map<int, std::uint64_t> &outcomes() const { return outcomes_; }

  private:
    void tell(const std::string &what) {
        if (failures_++ < told_at_most) fmt::print("packet {}: {}\n", number_, what);
    }

    Peer any_peer(bool v6, unsigned of, std::uint8_t first) {
        Peer peer;
        peer.address[0] = first;
        peer.address[v6 ? 15 : 3] = static_cast<std::uint8_t>(random_.below(of));
        if (random_.chance(5))
            for (std::size_t i = 1; i < (v6 ? 16u : 4u); ++i)
                peer.address[i] = random_.pick<std::uint8_t>({0, 0xff, random_.byte()});
        return peer;
    }

    Bytes any_bytes(std::size_t most) {
        Bytes out(random_.below(most + 1));
        for (auto &byte : out)
            byte = random_.chance(10) ? random_.pick<std::uint8_t>({0, 0xff}) : random_.byte();
        return out;
    }

    void any_tcp(DnsPacket &p) {
        p.tcp_header_rest.resize(16);
        for (std::size_t i = 0; i < 8; ++i)
            p.tcp_header_rest[i] = random_.byte();
        const bool syn = random_.chance(60);
        p.tcp_header_rest[9] = static_cast<std::uint8_t>(syn ? 2 : 16);
        p.tcp_header_rest[10] = random_.byte();
        if (syn && random_.chance(90)) {
            Bytes options;
            for (std::size_t i = random_.below(4); i-- > 0;)
                options.push_back(1);
            if (random_.chance(40))
                options.insert(options.end(), {8, 10, 2, 4, 0xff, 0xff, 2, 4, 0xff, 0xff});
            if (random_.chance(80)) options.insert(options.end(), {2, 4, random_.byte(), random_.byte()});
            if (random_.chance(30)) options.insert(options.end(), {3, 3, 7});
            while (options.size() % 4)
                options.push_back(random_.pick<std::uint8_t>({0, 1}));
            p.tcp_header_rest.insert(p.tcp_header_rest.end(), options.begin(), options.end());
        }
        p.tcp_header_rest[8] = static_cast<std::uint8_t>((p.tcp_header_rest.size() + 4) / 4 << 4);
    }

    DnsPacket any_query() {
        DnsPacket p;
        p.v6 = random_.chance(50);
        p.tcp = random_.chance(40);
        p.from = any_peer(p.v6, flood_ ? 40 : 6, p.v6 ? 0xfd : 10);
        p.from.port = static_cast<std::uint16_t>(random_.chance(50) ? 32768 + random_.below(200)
                                                                    : 1 + random_.below(60000));
        p.to = any_peer(p.v6, 4, p.v6 ? 0x20 : 203);
        p.to.port = 53;
        p.traffic_class = random_.chance(50) ? 0 : random_.byte();
        p.hops = random_.byte();
        p.payload = any_bytes(random_.chance(10) ? 1200 : 80);
        if (p.tcp) any_tcp(p);
        return p;
    }

    lk_carry_test any_case(const DnsPacket &query, bool to6) {
        lk_carry_test test{};
        Peer resolver = any_peer(to6, 1, to6 ? 0xfd : 10), source = any_peer(to6, 1, to6 ? 0xfc : 10);
        test.way.resolver = abi(resolver, to6);
        test.way.source = abi(source, to6);
        test.way.ifindex = 7;
        test.way.port = be(random_.chance(90) ? 53 : 5353);
        test.way.mtu = random_.chance(70) ? static_cast<__u16>(1280 + random_.below(200)) : 0;
        test.ifindex = 3;
        test.l3 = l3_;
        // A user, root, or what was forwarded; and a CPU that looked at the clock some ticks ago.
        test.sender = std::array<std::uint64_t, 3>{1000, 0, forwarded | 4}[query.from.port % 3];
        test.now = now_ - (now_ > 3 && random_.chance(10) ? static_cast<std::uint32_t>(random_.below(4)) : 0);
        return test;
    }

    // The code of both; the frame as both left it. none: they differ.
    std::optional<int> carry(bool query, const lk_carry_test &test, Bytes &frame, bool partial) {
        static lk_native_packet packet;
        std::copy(frame.begin(), frame.end(), packet.data);
        packet.length = static_cast<__u32>(frame.size());
        packet.l3 = l3_;
        packet.partial = partial;
        const int code = query ? lk_native_query(&test, &packet) : lk_native_answer(&test, &packet);
        Bytes out(packet.data, packet.data + packet.length);
        if (kernel_) {
            ++asked_kernel_;
            const auto other = query ? kernel_->query(test, frame) : kernel_->answer(test, frame);
            const bool spoilt = code == LK_NATIVE_SPOILT;
            if (other.code != code || (!spoilt && other.frame != out)) {
                tell(fmt::format("natively {}, in the kernel {}{}", code, other.code,
                                 other.code == code ? ", with other bytes" : ""));
                return std::nullopt;
            }
        }
        frame = std::move(out);
        return code;
    }

    void check_query(const DnsPacket &query, const DnsPacket &sent, const lk_carry_test &test) {
        const lk_addr from = abi(sent.from, sent.v6), to = abi(sent.to, sent.v6);
        if (std::memcmp(&from, &test.way.source, 16) != 0 || std::memcmp(&to, &test.way.resolver, 16) != 0 ||
            be(sent.to.port) != test.way.port)
            tell("the query does not go from the tunnel's address to the resolver");
        if (sent.from.port < nat_first || sent.from.port > nat_last) tell("the port is none of the table's");
        check_rest(query, sent, most_mss(test));
    }

    static unsigned most_mss(const lk_carry_test &test) {
        const __u32 *w = test.way.resolver.w;
        const bool v4 = w[0] == 0 && w[1] == 0 && w[2] == __builtin_bswap32(0xffff);
        return test.way.mtu == 0 ? 0u : test.way.mtu - (v4 ? 40u : 60u);
    }

    // All that a translation must leave alone; the MSS may only sink, to what was said.
    void check_rest(DnsPacket was, const DnsPacket &is, unsigned max_mss) {
        if (is.payload != was.payload) tell("the payload changed");
        if (is.traffic_class != was.traffic_class || is.hops != was.hops || is.tcp != was.tcp)
            tell("the traffic class, hops or protocol changed");
        if (is.no_checksum != was.no_checksum) tell("a checksum came or went");
        if (!was.tcp) return;
        was.tcp_header_rest[12] = was.tcp_header_rest[13] = 0;
        if (const auto mss = mss_of(was); mss && max_mss && mss->value > max_mss) {
            was.tcp_header_rest[mss->at] = static_cast<std::uint8_t>(max_mss >> 8);
            was.tcp_header_rest[mss->at + 1] = static_cast<std::uint8_t>(max_mss);
        }
        if (is.tcp_header_rest != was.tcp_header_rest) tell("the TCP header changed");
    }

    // The port of a live flow is not another's, unless the same asker took it from himself; what was
    // forwarded may have many askers, and leaves each his time to be answered.
    void check_port(const DnsPacket &query, const DnsPacket &sent, std::uint64_t sender) {
        const Flow flow{query.v6, query.from.address, query.from.port, query.to.address, sender, now_};
        Flow &there = ports_[{query.tcp, sent.from.port}];
        const bool same = there.asker == flow.asker && there.v6 == flow.v6 && there.port == flow.port &&
                          there.server == flow.server;
        const std::uint32_t rest = query.tcp ? 9'400 : 1'800;
        const bool his = there.asker == flow.asker && there.v6 == flow.v6 && there.sender == flow.sender &&
                         (sender < forwarded || now_ - there.when > rest);
        if (there.when && !same && !his && now_ - there.when < 4'700)
            tell("a live flow lost its port to another");
        there = flow;
    }

    void back(const DnsPacket &query, const DnsPacket &sent, const lk_carry_test &test) {
        DnsPacket answer;
        answer.v6 = sent.v6;
        answer.tcp = sent.tcp;
        answer.from = sent.to;
        answer.to = sent.from;
        answer.traffic_class = sent.traffic_class;
        answer.hops = sent.hops;
        const bool mirror = random_.chance(50); // reverse(forward(x)) = x
        answer.payload = mirror ? sent.payload : any_bytes(random_.chance(10) ? 1200 : 200);
        if (sent.tcp) {
            if (mirror)
                answer.tcp_header_rest = sent.tcp_header_rest;
            else
                any_tcp(answer);
        }
        answer.no_checksum = mirror ? sent.no_checksum : !sent.v6 && !sent.tcp && random_.chance(5);
        const bool impossible = answer.no_checksum && query.v6; // IPv6 has no UDP without
        Bytes frame = build(answer, l3_);
        lk_carry_test from_tunnel = test;
        from_tunnel.ifindex = test.way.ifindex;
        // TCP's first fragment holds its whole header; a SYN has nothing to be cut.
        const bool parted = !answer.tcp && answer.payload.size() >= 16 && random_.chance(30);
        const auto code = parted ? carry_parts(from_tunnel, frame) : carry(false, from_tunnel, frame, false);
        if (!code) return;
        if (impossible) {
            if (*code != LK_NATIVE_SPOILT) tell("an answer without a checksum became IPv6");
            return;
        }
        if (*code != LK_NATIVE_DONE) return tell(fmt::format("an answer came to {}", *code));
        ++answers_;
        const auto got = read(frame, l3_, false);
        if (!got) return tell("what was received is malformed, or its checksum is wrong");
        if (got->v6 != query.v6 || got->from != query.to || got->to != query.from)
            tell("the answer does not go from the server asked to the asker");
        check_rest(answer, *got, most_mss(test));
    }

    // The same in two fragments, put together again.
    std::optional<int> carry_parts(const lk_carry_test &test, Bytes &frame) {
        const std::size_t upper = frame.size() - (l3_ ? 0 : 14) - (v6_of(frame) ? 40 : 20);
        const std::size_t cut = (8 + random_.below(static_cast<unsigned>(upper) - 16)) / 8 * 8;
        auto parts = split(frame, l3_, cut, static_cast<std::uint16_t>(++part_id_));
        // Nobody can say whom a fragment is for whose first one was never seen.
        Bytes early = parts[1];
        const auto none = carry(false, test, early, false);
        if (!none) return std::nullopt;
        if (*none != LK_NATIVE_NONE) tell(fmt::format("a fragment without its first one came to {}", *none));
        for (Bytes &part : parts) {
            const auto code = carry(false, test, part, false);
            if (!code || *code != LK_NATIVE_DONE) return code;
        }
        ++parted_;
        const auto whole = join(parts[0], parts[1], l3_);
        if (!whole) {
            tell("the fragments do not fit together");
            return std::nullopt;
        }
        frame = *whole;
        return LK_NATIVE_DONE;
    }

    bool v6_of(const Bytes &frame) const { return frame[l3_ ? 0 : 14] >> 4 == 6; }

    // What a router or the resolver says of a query reaches the asker as about the packet that he sent.
    void error_back(const DnsPacket &query, const DnsPacket &sent, const lk_carry_test &test) {
        IcmpError error;
        error.v6 = sent.v6;
        error.from = random_.chance(50) ? sent.to : any_peer(sent.v6, 9, sent.v6 ? 0xfd : 10);
        error.to = sent.from;
        error.from.port = error.to.port = 0;
        const bool big = random_.chance(30);
        error.type = sent.v6 ? (big ? 2 : 1) : 3;
        error.code = big ? (sent.v6 ? 0 : 4) : sent.v6 ? 4 : 3;
        error.rest = big ? 1280 + random_.below(200) : 0;
        const bool forged = random_.chance(20);
        DnsPacket quoted = sent;
        if (forged) (random_.chance(50) ? quoted.to.address[3] : quoted.from.address[3]) ^= 1;
        Bytes frame = build_error(error, build(quoted, l3_), l3_);
        lk_carry_test from_tunnel = test;
        from_tunnel.ifindex = test.way.ifindex;
        const auto code = carry(false, from_tunnel, frame, false);
        if (!code) return;
        if (forged) {
            if (*code != LK_NATIVE_NONE) tell(fmt::format("an error about nobody's query came to {}", *code));
            return;
        }
        if (*code != LK_NATIVE_DONE) return tell(fmt::format("an error about a query came to {}", *code));
        const auto got = read_error(frame, l3_);
        if (!got) return tell("the error that was received is malformed, or a checksum is wrong");
        ++errors_;
        IcmpError want = error;
        want.v6 = query.v6;
        want.from = query.to;
        want.to = query.from;
        want.from.port = want.to.port = 0;
        if (query.v6 != sent.v6) {
            want.type = big ? 2 : 1;
            want.code = big ? 0 : 4;
            if (big) want.rest += 20;
        }
        want.quoted_from = query.from;
        want.quoted_to = query.to;
        want.quoted_tcp = query.tcp;
        want.quoted_hops = sent.hops;
        want.quoted_upper = got->quoted_upper; // of what was sent: its checksum is not the query's
        if (*got != want) tell("the error is not about what the asker sent");
    }

    // Not from the resolver, not by the tunnel, not to a port that asked, or too late: not translated.
    void forged(const DnsPacket &query, const DnsPacket &sent, const lk_carry_test &test) {
        DnsPacket answer;
        answer.v6 = sent.v6;
        answer.tcp = sent.tcp;
        answer.from = sent.to;
        answer.to = sent.from;
        if (sent.tcp) any_tcp(answer);
        lk_carry_test from_tunnel = test;
        from_tunnel.ifindex = test.way.ifindex;
        switch (random_.below(5)) {
        case 0: answer.from.address[3] ^= 1; break;
        case 1: answer.from.port ^= 1; break;
        case 2: answer.to.address[3] ^= 1; break;
        case 3: from_tunnel.ifindex ^= 1; break;
        case 4: from_tunnel.now += query.tcp ? 130'000 : 32'000; break;
        }
        Bytes frame = build(answer, l3_);
        const auto code = carry(false, from_tunnel, frame, false);
        if (code && *code != LK_NATIVE_NONE) tell(fmt::format("a forged answer came to {}", *code));
    }

    struct Flow {
        bool v6 = false;
        std::array<std::uint8_t, 16> asker{};
        std::uint16_t port = 0;
        std::array<std::uint8_t, 16> server{};
        std::uint64_t sender = 0;
        std::uint32_t when = 0; // 0: none
    };
    Random random_;
    std::optional<KernelCarry> kernel_;
    std::map<std::pair<bool, std::uint16_t>, Flow> ports_;
    std::map<int, std::uint64_t> outcomes_;
    std::uint64_t number_ = 0, failures_ = 0, asked_kernel_ = 0, answers_ = 0, parted_ = 0, errors_ = 0;
    std::uint32_t part_id_ = 0;
    std::uint32_t now_ = 1;
    bool l3_ = false, flood_ = false;
};

bool kernel_can_be_asked() {
    return geteuid() == 0 && unshare(CLONE_NEWNET) == 0;
}

int main_of(int argc, char **argv) {
    std::uint64_t packets = 100'000, seed = std::random_device{}();
    std::string with_kernel = "auto";
    CLI::App app("Random queries and answers through the translation");
    app.add_option("--packets", packets, "how many queries; about as many answers come on top");
    app.add_option("--seed", seed, "of the whole run; printed");
    app.add_option("--kernel", with_kernel, "translate in the kernel too: yes, no or auto (as root)")
        ->check(CLI::IsMember({"yes", "no", "auto"}));
    CLI11_PARSE(app, argc, argv);

    const bool kernel = with_kernel != "no" && kernel_can_be_asked();
    if (with_kernel == "yes" && !kernel) {
        fmt::print("the kernel cannot be asked: that needs root\n");
        return 77;
    }
    fmt::print("--seed {} --packets {}, {}\n", seed, packets, kernel ? "native and kernel" : "native");
    std::fflush(stdout);
    const auto started = std::chrono::steady_clock::now();
    // A part without the kernel, which takes no unfinished checksums.
    std::uint64_t failures = 0, answers = 0, asked = 0, parted = 0, errors = 0;
    std::map<int, std::uint64_t> outcomes;
    for (const bool part_with_kernel : {false, true}) {
        if (part_with_kernel && !kernel) continue;
        Run run(seed + part_with_kernel, part_with_kernel);
        for (std::uint64_t i = 0; i < packets; ++i)
            run.round();
        failures += run.failures();
        answers += run.answers();
        parted += run.parted();
        errors += run.errors();
        asked += run.asked_kernel();
        for (const auto &[code, n] : run.outcomes())
            outcomes[code] += n;
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    fmt::print(
        "{} queries carried, {} strays, {} without a port; {} answers carried, {} of them in fragments, "
        "and {} errors; {} of all also in the kernel; {} failures; {:.1f} s\n",
        outcomes[LK_NATIVE_DONE], outcomes[LK_NATIVE_STRAY], outcomes[LK_NATIVE_FULL], answers, parted,
        errors, asked, failures, took.count());
    const bool all_met = parted && errors && outcomes[LK_NATIVE_DONE] && outcomes[LK_NATIVE_STRAY] &&
                         (outcomes[LK_NATIVE_FULL] || packets < 20'000);
    return failures == 0 && all_met ? 0 : 1;
}

} // namespace
} // namespace lk::fuzz

int main(int argc, char **argv) {
    return lk::fuzz::main_of(argc, argv);
}
