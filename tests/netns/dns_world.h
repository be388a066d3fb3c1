// SPDX-License-Identifier: MIT
// Row 6 with real traffic: a resolver behind the tunnel, askers of every kind, and a table of who asked whom.
// Each of its rows looks at both ends: what the asker gets, and what the far side of the uplink sees.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "harness/world.h"

namespace lk::harness {

constexpr std::uint16_t dns = 53;
extern const Ip public4, public6;     // by the uplink
extern const Ip tunneled4, tunneled6; // by the default route
extern const Ip router4, router6;

constexpr std::size_t big_answer = 4000;
extern const Bytes ask_big; // in a query: fill the answer up to BIG_ANSWER bytes

struct Listens {
    Ip ip;
    std::uint16_t port = dns;
};

// Answers WORD, ":" and the query, by UDP and TCP, at these alone.
std::unique_ptr<Helper> start_resolver(const Netns &netns,
                                       const std::vector<Listens> &at = {{resolver4}, {resolver6}},
                                       const std::string &word = "resolver");

struct How {
    int type = SOCK_DGRAM;
    bool connected = false, named = false; // and names the server in each datagram
    const char *device = nullptr;
    Ip source{};
    bool has_source = false;
    std::uint16_t port = 0;        // with a source: its own
    std::string word = "resolver"; // of whom shall answer
    std::chrono::milliseconds patience = 2s;
    bool connects() const { return connected || type == SOCK_STREAM; }
};

Fd socket_for(const How &how, const Ip &server);
// The same in NETNS, where it stays, connected if HOW wants it.
Fd asker_in(const Netns &netns, const How &how, const Ip &server);
// The own address and port of a socket.
struct Local {
    Ip ip;
    std::uint16_t port = 0;
};
Local local_of(const Fd &fd);
// Throws unless it goes out; connected sockets name nobody.
void send_query(int fd, const How &how, const Ip &server, const Bytes &query);
// Throws unless the resolver answers QUERY and SERVER seems to.
void receive_answer(int fd, const How &how, const Ip &server, const Bytes &query);
// Throws unless the resolver answers and SERVER seems to.
void ask(const How &how, const Ip &server, const Bytes &query);
// One unconnected socket, four servers at once: each answer is attributed to the server that was asked.
void ask_four(const How &how, const std::vector<Ip> &servers, const Bytes &query);

// What BODY throws, or an empty text.
std::string caught(const std::function<void()> &body);

extern const Ip second4;
// A second tunnel of the host, tun1 with 10.44.0.0/24 and a default route that stands by, and a resolver
// behind it at SECOND4 that says "second".
class SecondTunnel {
  public:
    explicit SecondTunnel(World &world);
    ~SecondTunnel();
    SecondTunnel(const SecondTunnel &) = delete;
    SecondTunnel &operator=(const SecondTunnel &) = delete;

  private:
    World &world_;
    std::unique_ptr<Helper> far_, near_, resolver_;
};

class DnsTest : public testing::Test {
  protected:
    // The world; RESOLVERS: of --dns, in this order.
    void make(const WorldOptions &options, const std::vector<std::string> &resolvers,
              const std::vector<std::string> &more = {});
    // With tun0 up and a resolver behind it that both families reach, or IPv4 alone.
    void make(const std::string &name, bool both_resolvers = true);
    // The far side has another way to the uplink's address and to the container, and would answer there in
    // the clear what was sent to it from there.
    void answers_come_by_the_tunnel();
    void attach(const std::vector<std::string> &resolvers, const std::vector<std::string> &more = {});

    void add(const std::string &sender, const How &how, const std::string &server, const Ip &ip,
             const Netns &netns);
    // STRICT_ leaves those out who pin themselves to the uplink and ask who is to be reached by the tunnel: a
    // strict reverse-path filter takes nothing from there, with a filter or without.
    void add_senders(const Ip &open, const Ip &router, const Ip &inside, const Ip &resolver);
    void add_senders4() { add_senders(public4, router4, tunneled4, resolver4); }
    void add_senders6() { add_senders(public6, router6, tunneled6, resolver6); }
    void add_both_protocols(); // UDP and TCP, to public servers of both families

    // Each row, and a table of them; then they are gone. All shall be answered.
    void run();
    // Nobody shall be, but whoever the kernel can tell shall be told at once; one of REASONS is counted for
    // each.
    void run_refused(const std::vector<std::string> &reasons = {"dns-no-tunnel"});
    void goes_down_and_up(); // the tunnel: answered, not, and answered again
    // An ordinary query gets its answer before long: the follower saw a change.
    bool comes(const Ip &server = public4);
    std::string trouble_of(const std::function<void()> &body) const; // in the host's namespace
    // Frames of TCP or UDP to port 53 on the uplink's far side since SINCE, where none may be.
    std::size_t in_the_clear(std::size_t since);
    // Packets that HOOK counted so far for REASON, by their names.
    std::uint64_t counted(const std::string &hook, const std::string &reason) const;

    std::unique_ptr<World> world_;
    std::unique_ptr<Helper> resolver_;
    std::string word_ = "resolver"; // of whom shall answer what is added
    bool strict_ = false;
    void filter_reverse_paths(const char *mode); // rp_filter, everywhere on the host

  private:
    struct Row {
        std::string sender, server;
        const Netns *netns;
        std::function<void(const Bytes &, std::chrono::milliseconds patience)> body;
        bool can_be_told; // a connected socket
    };
    // What went wrong for the asker, and how long it took.
    std::pair<std::string, std::chrono::milliseconds> try_row(const Row &row,
                                                              std::chrono::milliseconds patience);
    std::vector<Row> rows_;
    std::string title_;
    int number_ = 0;
};

} // namespace lk::harness
