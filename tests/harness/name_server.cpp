// SPDX-License-Identifier: MIT
#include "harness/name_server.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <optional>
#include <set>
#include <stdexcept>

#include <fmt/format.h>

#include "harness/must.h"

namespace lk::harness {

const Ip named4 = Ip::of("198.51.100.7"), named6 = Ip::of("2001:db8:100::7");

namespace {

constexpr std::size_t header = 12;
constexpr unsigned type_a = 1, type_cname = 5, type_aaaa = 28, type_opt = 41;
const Bytes asked_name = "\xc0\x0c"; // a pointer to the question's

unsigned get16(const Bytes &data, std::size_t at) {
    return static_cast<unsigned>(static_cast<unsigned char>(data.at(at)) << 8 |
                                 static_cast<unsigned char>(data.at(at + 1)));
}

struct Query {
    std::string name, label; // the whole, and its first
    unsigned type = 0;
    std::size_t question_end = 0;
    std::optional<unsigned> room; // of EDNS
};

std::optional<Query> parse(const Bytes &data) {
    Query query;
    if (data.size() < header || (get16(data, 2) & 0xf800) || get16(data, 4) != 1) return {};
    std::size_t at = header;
    while (at < data.size() && data[at] != 0) {
        const auto length = static_cast<unsigned char>(data[at]);
        if (length > 63 || at + 1 + length >= data.size()) return {};
        if (query.name.empty())
            query.label = data.substr(at + 1, length);
        else
            query.name += '.';
        query.name += data.substr(at + 1, length);
        at += 1 + length;
    }
    if (at + 5 > data.size()) return {};
    query.type = get16(data, at + 1);
    query.question_end = at + 5;
    // One additional record, whose name is the root: EDNS.
    if (get16(data, 10) == 1 && data.size() >= query.question_end + 11 &&
        get16(data, query.question_end + 1) == type_opt)
        query.room = get16(data, query.question_end + 3);
    return query;
}

Bytes record(const Bytes &owner, unsigned type, const Bytes &data) {
    return owner + be16(static_cast<std::uint16_t>(type)) + be16(1) + be32(60) +
           be16(static_cast<std::uint16_t>(data.size())) + data;
}

Bytes address(const Bytes &owner, unsigned type, unsigned number) {
    Bytes data = (type == type_a ? named4 : named6).bytes();
    data.back() = static_cast<char>(data.back() + static_cast<char>(number));
    return record(owner, type, data);
}

// Empty: silence. ROOM: of the protocol, in bytes.
Bytes answer(const Bytes &data, const Query &query, std::size_t room) {
    if (query.label == "silent") return {};
    const bool known = query.type == type_a || (query.type == type_aaaa && query.label != "four");
    std::vector<Bytes> records;
    unsigned flags = 0x8180;
    if (query.label == "none") flags |= 3;
    if (query.label == "fail") flags |= 2;
    if (query.label == "alias") {
        const Bytes real = dns_name(query.name + ".real");
        records.push_back(record(asked_name, type_cname, real));
        if (known) records.push_back(address(real, query.type, 0));
    } else if (known && !(flags & 15) && query.label != "bare") {
        for (unsigned number = 0; number < (query.label == "big" ? 40u : 1u); ++number)
            records.push_back(address(asked_name, query.type, number));
    }
    const Bytes question = data.substr(header, query.question_end - header);
    const Bytes edns =
        query.room ? Bytes(1, '\0') + be16(type_opt) + be16(4096) + be32(0) + be16(0) : Bytes();
    const auto message = [&] {
        Bytes text = data.substr(0, 2) + be16(static_cast<std::uint16_t>(flags)) + be16(1) +
                     be16(static_cast<std::uint16_t>(records.size())) + be16(0) + be16(edns.empty() ? 0 : 1) +
                     question;
        for (const Bytes &one : records)
            text += one;
        return text + edns;
    };
    if (message().size() > room) {
        records.clear();
        flags |= 0x0200;
    }
    return message();
}

void write_down(const std::string &log, const char *protocol, const Query &query) {
    const std::string type = query.type == type_a      ? "A"
                             : query.type == type_aaaa ? "AAAA"
                                                       : std::to_string(query.type);
    std::ofstream(log, std::ios::app) << fmt::format("{} {} {}\n", protocol, query.name, type);
}

class Server {
  public:
    Server(const std::vector<Ip> &at, std::string log) : log_(std::move(log)) {
        for (const Ip &ip : at)
            for (const int type : {SOCK_DGRAM, SOCK_STREAM}) {
                Fd fd(socket(ip.family == 4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, 0));
                const int on = 1;
                setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
                if (ip.family == 6) setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
                const SockAddr own(ip, 53);
                must(bind(fd.get(), own.get(), own.length) == 0, "bind");
                if (type == SOCK_STREAM) must(listen(fd.get(), 64) == 0, "listen");
                ports_.push_back({std::move(fd), type == SOCK_STREAM ? Kind::listens : Kind::datagrams, {}});
            }
    }

    [[noreturn]] void serve() {
        for (;;) {
            std::vector<pollfd> all;
            for (const Port &port : ports_)
                all.push_back({port.fd.get(), POLLIN, 0});
            if (poll(all.data(), all.size(), -1) < 0) continue;
            for (std::size_t i = 0; i < all.size(); ++i)
                if (all[i].revents) turn(ports_[i]);
            std::erase_if(ports_, [](const Port &port) { return !port.fd; });
            for (Port &port : fresh_)
                ports_.push_back(std::move(port));
            fresh_.clear();
        }
    }

  private:
    enum class Kind { datagrams, listens, stream };
    struct Port {
        Fd fd;
        Kind kind;
        Bytes received;
    };

    void turn(Port &port) {
        static char data[1 << 16];
        if (port.kind == Kind::listens) {
            fresh_.push_back({Fd(accept4(port.fd.get(), nullptr, nullptr, SOCK_CLOEXEC)), Kind::stream, {}});
            return;
        }
        SockAddr from;
        from.length = sizeof(from.storage);
        const ssize_t got = recvfrom(port.fd.get(), data, sizeof(data), 0, from.get(), &from.length);
        if (port.kind == Kind::stream) {
            if (got <= 0) return port.fd.reset();
            port.received.append(data, static_cast<std::size_t>(got));
            return serve_stream(port);
        }
        if (got <= 0) return;
        const Bytes message(data, static_cast<std::size_t>(got));
        const auto query = parse(message);
        if (!query) return;
        write_down(log_, "udp", *query);
        const Bytes told = answer(message, *query, std::max(512u, query->room.value_or(512)));
        if (!told.empty()) sendto(port.fd.get(), told.data(), told.size(), 0, from.get(), from.length);
    }

    // Pipelined queries are answered in their order.
    void serve_stream(Port &port) {
        while (port.received.size() >= 2 && port.received.size() >= 2 + get16(port.received, 0)) {
            const Bytes message = port.received.substr(2, get16(port.received, 0));
            port.received.erase(0, 2 + message.size());
            const auto query = parse(message);
            if (!query) return port.fd.reset();
            write_down(log_, "tcp", *query);
            const Bytes told = answer(message, *query, 65535);
            const Bytes framed = be16(static_cast<std::uint16_t>(told.size())) + told;
            if (!told.empty()) send(port.fd.get(), framed.data(), framed.size(), MSG_NOSIGNAL);
        }
    }

    std::string log_;
    std::vector<Port> ports_, fresh_;
};

} // namespace

Bytes dns_name(const std::string &name) {
    Bytes wire;
    for (std::size_t at = 0; at < name.size();) {
        const std::size_t end = std::min(name.find('.', at), name.size());
        wire += static_cast<char>(end - at) + name.substr(at, end - at);
        at = end + 1;
    }
    return wire + '\0';
}

Bytes dns_query(const std::string &name, std::uint16_t type, std::uint16_t id) {
    return be16(id) + be16(0x0100) + be16(1) + be16(0) + be16(0) + be16(0) + dns_name(name) + be16(type) +
           be16(1);
}

std::unique_ptr<Helper> start_name_server(const Netns &netns, const std::vector<Ip> &at,
                                          const std::string &log) {
    return std::make_unique<Helper>(Identity{.netns = netns.fd()},
                                    [&at, &log](const std::function<void()> &ready) {
                                        Server server(at, log);
                                        ready();
                                        server.serve();
                                    });
}

std::vector<std::string> asked_of(const std::string &log) {
    std::ifstream file(log);
    std::set<std::string> lines;
    for (std::string line; std::getline(file, line);)
        lines.insert(line);
    return {lines.begin(), lines.end()};
}

} // namespace lk::harness
