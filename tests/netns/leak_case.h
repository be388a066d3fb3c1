// SPDX-License-Identifier: MIT
// The leak matrix: vectors (a way out) times family, sender and state of the tunnel. A leak case is first
// proven visible in a world without the filter, then must not be seen in an equal world with it; a pass case
// must be seen in both.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "harness/world.h"

namespace lk::harness {

enum class Who { user, root, vpn, nated, routed }; // the last two: root of a container, masqueraded or not
enum class Expect { stays, leaves };
enum class Setting { standard, strict };

class Env;

struct Vector {
    std::string group, name;
    // Sends, in the test's own process; usually env.sender(BODY). Returns what went wrong, for the proof's
    // message.
    std::function<std::string(Env &)> run = {};
    std::vector<int> families = {4, 6};
    std::vector<Who> who = {Who::user, Who::root, Who::nated};
    std::vector<bool> tunnel = {false, true};
    Expect expect = Expect::stays;
    std::uint16_t port = 0;      // 0: one of the case's own
    bool raw = false;            // users keep CAP_NET_RAW
    bool marked_address = true;  // the case has public addresses of its own, which must not be seen either
    std::string unsendable = {}; // why the bare kernel cannot send it: not proven visible then
    Setting setting = Setting::standard;
    bool answered = false; // run() fails unless an answer came: its text must be empty in the guarded world
    bool depends = false;  // with the other setting it is the other way round
};

struct Case {
    const Vector *vector = nullptr;
    int number = 0;
    int family = 4;
    Who who = Who::user;
    bool tunnel = false;
    std::string name() const; // e.g. "udp_connected.v6.user.tunnel_up"
    Expect expected(Setting setting) const;
};

// One run of a case in one world.
class Env {
  public:
    Env(const Case &case_, World &world_);

    const Case &which;
    World &world;
    Seat seat;
    int family;
    Bytes token;        // 16 bytes, in the payload of whatever is sent
    std::uint16_t port; // destination port
    Mark mark;
    std::size_t since; // frames before this position do not count; run() may move it

    Ip dst; // a public host, of this case alone (IPv4: with the port); leaves by the uplink in any state of
            // the tunnel
    Ip tunneled; // another one, which the default route leads to
    Ip source() const { return family == 4 ? seat.source4 : seat.source6; }
    Ip pick(const Ip &v4, const Ip &v6) const { return family == 4 ? v4 : v6; }
    SockAddr to() const { return SockAddr(dst, port); }
    Bytes payload(std::size_t length) const; // the token, then filler

    // BODY as the case's sender, or as somebody else at the same seat.
    std::string sender(const std::function<void()> &body) const;
    std::string sender_as(uid_t uid, const std::function<void()> &body) const;
    // An Ethernet frame from the sender's device towards its router.
    Bytes frame(std::uint16_t type, std::string_view payload) const;
    Bytes ip_frame(std::string_view packet) const { return frame(family == 4 ? 0x0800 : 0x86dd, packet); }
};

// For use by senders, in the child. All throw with the call's name and errno.
[[noreturn]] void fail(const char *what);
int must(long result, const char *what);
// A socket of the case's family; bound to the container's own address where that chooses NAT or not.
Fd open_socket(const Env &env, int type, int protocol = 0);
// Waits shortly for the answer of whatever sort; 0 or errno.
int connect_briefly(int fd, const SockAddr &to, int limit_ms = 250);
void send_to(int fd, const SockAddr &to, std::string_view data);
Bytes receive(int fd, int limit_ms = 1500);  // throws when nothing comes
void send_token(int fd, const Bytes &token); // without waiting, whatever comes of it

// What is to hold a world's traffic back; this one does nothing. All throw when they cannot.
class Guard {
  public:
    virtual ~Guard() = default;
    virtual void attach(World &, const std::vector<std::string> & /* more words for leakbpf attach */ = {}) {}
    virtual void takes_in(World &, const std::string & /* device that has come */) {}
    virtual void keeps(World &, const std::string & /* device that it knows */) {}
};

class LeakbpfGuard : public Guard {
  public:
    explicit LeakbpfGuard(Setting setting) : setting_(setting) {}
    void attach(World &world, const std::vector<std::string> &more = {}) override;
    void takes_in(World &world, const std::string &device) override;
    void keeps(World &world, const std::string &device) override;

  private:
    Setting setting_;
};

// What was seen of a special case: of what it sent (or wanted an answer to) all, or anything.
struct Sight {
    bool all = false, any = false;
    std::string trouble = {};
};

// What WORLD's far side has seen of MARKS since SINCE, once all that was sent has arrived.
Sight look(World &world, const std::vector<Mark> &marks, const std::string &trouble, std::size_t since = 0);

// A case that makes a world of its own: before and after attach, devices that come and go.
struct Special {
    std::string group, name;
    Expect expect = Expect::stays;
    std::function<Sight(Guard &)> body;
    bool depends = false; // with --strict it is the other way round
    Expect expected(Setting setting) const;
};

// A vector that some kernels do not know.
struct Sendable {
    std::string group, name;
    bool here = false;
};

class Matrix {
  public:
    void add(Vector vector);
    // NAME gets ".v4" and ".v6"; BODY gets the family.
    void add_special(const std::string &group, const std::string &name,
                     const std::function<Sight(Guard &, int family)> &body, Expect expect = Expect::stays,
                     const std::vector<int> &families = {4, 6}, bool depends = false);
    const std::deque<Case> &cases() const { return cases_; }
    const std::deque<Special> &specials() const { return specials_; }
    const std::deque<Sendable> &sendable() const { return sendable_; }

  private:
    std::deque<Vector> vectors_;
    std::deque<Case> cases_;
    std::deque<Special> specials_;
    std::deque<Sendable> sendable_;
};

// What attach is told in the worlds of the matrix.
std::vector<std::string> attach_args(Setting setting);
// The mark that a sender forges: the one that the filter trusts, where it trusts any.
extern int forged_mark;

// Wraps a body that runs in the sender's process.
std::function<std::string(Env &)> by_sender(std::function<void(const Env &)> body);

void add_socket_cases(Matrix &matrix);
void add_life_cases(Matrix &matrix);
void add_frame_cases(Matrix &matrix);
void add_protocol_cases(Matrix &matrix);
void add_kernel_cases(Matrix &matrix);
void add_routing_cases(Matrix &matrix);
void add_forwarding_cases(Matrix &matrix);
void add_device_cases(Matrix &matrix);
void add_dns_cases(Matrix &matrix);
void add_pass_cases(Matrix &matrix);
void add_pass_link_cases(Matrix &matrix);
void add_all_cases(Matrix &matrix);

} // namespace lk::harness
