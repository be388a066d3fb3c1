// SPDX-License-Identifier: MIT
// Row B: names that may be asked in the clear, and everything that only looks like asking for them.
#include <algorithm>
#include <functional>

#include "cases/table.h"

namespace lk {

namespace {

void put16(Bytes &out, unsigned value) {
    out.push_back(static_cast<std::uint8_t>(value >> 8));
    out.push_back(static_cast<std::uint8_t>(value));
}

struct Query {
    unsigned flags = 0x0100, questions = 1, answers = 0, authorities = 0, additional = 0;
    std::string name = std::string("\3vpn\7example\3org\0", 17); // as in a message
    unsigned type = 1, klass = 1;
    Bytes rest;

    Bytes bytes() const {
        Bytes out;
        for (const unsigned word : {0x4c4bu, flags, questions, answers, authorities, additional})
            put16(out, word);
        out.insert(out.end(), name.begin(), name.end());
        put16(out, type);
        put16(out, klass);
        out.insert(out.end(), rest.begin(), rest.end());
        return out;
    }
};

Query asks(const std::function<void(Query &)> &change) {
    Query q;
    change(q);
    return q;
}

const Bytes edns{0, 0, 41, 0x10, 0, 0, 0, 0x80, 0, 0, 0}; // 4096 bytes, DNSSEC OK

World boot_world() {
    World w = laptop();
    w.tunnels.clear();
    for (const char *text :
         {"203.0.113.99=vpn.example.org", "203.0.113.99=b.example", "2001:db8:bad::1=vpn.example.org",
          "2001:db8:bad::1=b.example", "203.0.113.98=other.example", "2001:db8:bad::2=other.example"})
        w.policy.bootstrap.push_back(BootstrapName::parse(text).value());
    w.policy.bootstrap.push_back(
        BootstrapName::parse("203.0.113.99=" + std::string(63, 'x') + "." + std::string(61, 'y')).value());
    std::sort(w.policy.bootstrap.begin(), w.policy.bootstrap.end());
    return w;
}

} // namespace

void rows_bootstrap(Table &t) {
    static const World world = boot_world();
    const auto changed = [](void (*change)(World &)) {
        World w = world;
        change(w);
        return w;
    };
    static const World no_resolver = changed([](World &w) { w.policy.resolvers.clear(); });
    static const World strict = changed([](World &w) { w.policy.strict = true; });
    static const World no_names = changed([](World &w) { w.policy.bootstrap.clear(); });
    static const World with_tunnel = changed([](World &w) { w.tunnels = laptop().tunnels; });

    for (const Family &f : families()) {
        const std::string &server = f.stranger;
        const auto packet = [&](const Query &q) {
            Packet p = udp(f.own, server, 1000, 53, q.bytes().size());
            return p.patch(8, q.bytes());
        };
        const auto passes = [&](const std::string &name, const Packet &p) -> Spec & {
            return t.add("boot." + name + "." + f.tag, "B", LK_BOOTSTRAP_DNS, p).in(world);
        };
        const auto refused = [&](const std::string &name, const Packet &p) -> Spec & {
            return t.add("boot." + name + "." + f.tag, "6.2", LK_DNS_NO_TUNNEL, p).in(world);
        };
        passes("a", packet({}));
        passes("aaaa", packet(asks([](Query &q) { q.type = 28; })));
        passes("https", packet(asks([](Query &q) { q.type = 65; })));
        passes("case", packet(asks([](Query &q) { q.name = std::string("\3VpN\7EXAMPLE\3oRG\0", 17); })));
        passes("flags", packet(asks([](Query &q) { q.flags = 0x0130; })));
        passes("no-flags", packet(asks([](Query &q) { q.flags = 0; })));
        passes("other-name", packet(asks([](Query &q) { q.name = std::string("\1b\7example\0", 11); })));
        passes("edns", packet(asks([](Query &q) { q.additional = 1, q.rest = edns; })));
        passes("strict", packet({})).in(strict);
        passes("no-resolver", packet({})).in(no_resolver);
        passes("public-source", [&] {
            Packet p = packet({});
            p.source = f.own_public;
            return p;
        }());
        passes("forwarded-nated", packet({})).by(forwarded);

        // Another name: above, below, beginning, end, the root, cut, and what only reads like it.
        for (const auto &[name, wire] : std::initializer_list<std::pair<const char *, std::string>>{
                 {"parent", std::string("\7example\3org\0", 13)},
                 {"child", std::string("\1a\3vpn\7example\3org\0", 19)},
                 {"longer-label", std::string("\4vpna\7example\3org\0", 18)},
                 {"shorter-label", std::string("\2vp\7example\3org\0", 16)},
                 {"other-end", std::string("\3vpn\7example\3com\0", 17)},
                 {"of-another-server", std::string("\5other\7example\0", 15)},
                 {"root", std::string("\0", 1)},
                 {"dot-in-label", std::string("\13vpn.example\3org\0", 17)},
                 {"no-end", "\3vpn\7example\3org"},
                 {"pointer", "\3vpn\7example\xc0\x0c"},
                 {"long-label", std::string("\x40") + std::string(64, 'a') + std::string(1, '\0')},
                 {"128-bytes",
                  "\x3f" + std::string(63, 'x') + "\x3e" + std::string(62, 'y') + std::string(1, '\0')}}) {
            Query q;
            q.name = wire;
            refused(std::string("name-") + name, packet(q));
        }
        refused("response", packet(asks([](Query &q) { q.flags = 0x8180; })));
        refused("opcode", packet(asks([](Query &q) { q.flags = 0x0900; })));
        refused("truncated-flag", packet(asks([](Query &q) { q.flags = 0x0300; })));
        refused("reserved-flag", packet(asks([](Query &q) { q.flags = 0x0140; })));
        refused("code", packet(asks([](Query &q) { q.flags = 0x0105; })));
        refused("no-question", packet(asks([](Query &q) { q.questions = 0; })));
        refused("two-counted", packet(asks([](Query &q) { q.questions = 2; })));
        refused("two-questions", packet(asks([](Query &q) {
                    q.questions = 2;
                    q.rest = {0xc0, 0x0c, 0, 28, 0, 1};
                })));
        refused("answer", packet(asks([](Query &q) { q.answers = 1; })));
        refused("authority", packet(asks([](Query &q) { q.authorities = 1; })));
        refused("additional-missing", packet(asks([](Query &q) { q.additional = 1; })));
        refused("two-additional", packet(asks([](Query &q) {
                    q.additional = 2;
                    q.rest = edns;
                    q.rest.insert(q.rest.end(), edns.begin(), edns.end());
                })));
        refused("edns-not-counted", packet(asks([](Query &q) { q.rest = edns; })));
        // The byte of the record that is another.
        const struct {
            const char *name;
            std::size_t at;
            std::uint8_t value;
        } others[] = {{"edns-named", 0, 1},   {"not-edns", 2, 16}, {"edns-rcode", 5, 1},
                      {"edns-version", 6, 1}, {"edns-flag", 8, 1}, {"edns-length-only", 10, 4}};
        for (const auto &other : others)
            refused(other.name, packet(asks([&](Query &q) {
                        q.additional = 1, q.rest = edns;
                        q.rest[other.at] = other.value;
                    })));
        refused("edns-with-option", packet(asks([](Query &q) {
                    q.additional = 1, q.rest = edns;
                    q.rest[10] = 4;
                    q.rest.insert(q.rest.end(), {0, 10, 0, 0});
                })));
        for (const unsigned type : {2u, 16u, 255u, 257u, 0u}) {
            Query q;
            q.type = type;
            refused("type-" + std::to_string(type), packet(q));
        }
        refused("chaos", packet(asks([](Query &q) { q.klass = 3; })));
        refused("trailing-byte", packet(asks([](Query &q) { q.rest = {0}; })));
        Packet half = packet({});
        half.payload.resize(half.payload.size() - 1);
        refused("one-byte-less", half.patch(4, {0, static_cast<std::uint8_t>(half.payload.size())}));
        refused("udp-shorter-than-ip", packet(asks([](Query &q) {
                                           q.rest = {1, 2, 3, 4};
                                       })).patch(4, {0, static_cast<std::uint8_t>(8 + 33)}));
        refused("padding", packet({}).pad(4));

        const auto to = [&](const std::string &destination, const Query &q) {
            Packet p = packet(q);
            p.destination = destination;
            return p;
        };
        refused("other-server", to(f.internet, {}));
        refused("router", to(f.router, {}));
        refused("from-port-0", packet({}).patch(0, {0, 0}));
        refused("first-fragment", packet({}).first(9));
        if (f.tag == "v6")
            refused("with-headers", packet({}).with_before({{60, 8, {}}}));
        else
            t.add("boot.ip-options.v4", "2", LK_MALFORMED, packet({}).with_options({1, 1, 1, 1})).in(world);
        Bytes stream{0, 33};
        const Bytes message = Query{}.bytes();
        stream.insert(stream.end(), message.begin(), message.end());
        refused("tcp", tcp(f.own, server, 1000, 53, stream.size()).patch(20, stream));
        refused("no-names", packet({})).in(no_names);
        t.add("boot.tunnel." + f.tag, "6.4", LK_DNS, packet({})).in(with_tunnel).rewritten();
        t.add("boot.other-port." + f.tag, "12", LK_NOT_ALLOWED, packet({}).patch(2, {0, 54})).in(world);
        Packet foreign = packet({});
        foreign.source = f.internet;
        t.add("boot.foreign-source." + f.tag, "3", LK_SOURCE, foreign).in(world);
        refused("forwarded-foreign-source", foreign).by(forwarded);
    }
    Query longest;
    longest.name = "\x3f" + std::string(63, 'x') + "\x3d" + std::string(61, 'y') + std::string(1, '\0');
    longest.additional = 1;
    longest.rest = edns;
    const auto &f = families().front();
    t.add("boot.longest-name", "B", LK_BOOTSTRAP_DNS,
          udp(f.own, f.stranger, 1000, 53, longest.bytes().size()).patch(8, longest.bytes()))
        .in(world);
}

} // namespace lk
