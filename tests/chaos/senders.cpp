// SPDX-License-Identifier: MIT
#include "chaos/senders.h"

#include <sys/socket.h>
#include <time.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "base/fd.h"

namespace lk::chaos {

namespace {

constexpr std::uint16_t udp_port = 4500;
constexpr unsigned datagrams_by_socket = 500; // then a new one: old and new sockets go different ways
constexpr unsigned most_late = 8;             // packets

int family_of(const Flow &flow) {
    return flow.dst.family == 4 ? AF_INET : AF_INET6;
}

// By a socket that is closed at once, so that nothing is sent again.
int send_syn(const Flow &flow, std::uint64_t number) {
    const Fd fd(socket(family_of(flow), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return errno;
    const int on = 1;
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    harness::Ip any;
    any.family = flow.dst.family;
    const harness::SockAddr from(any, static_cast<std::uint16_t>(syn_first_source + number % syn_ports));
    const harness::SockAddr to(flow.dst, static_cast<std::uint16_t>(syn_first_port + number / syn_ports));
    if (bind(fd.get(), from.get(), from.length) != 0) return errno;
    return connect(fd.get(), to.get(), to.length) == 0 || errno == EINPROGRESS ? 0 : errno;
}

class Datagrams {
  public:
    int send(const Flow &flow, std::size_t index, std::uint64_t number) {
        if (!fd_ || number % datagrams_by_socket == 0)
            fd_ = Fd(socket(family_of(flow), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        const harness::SockAddr to(flow.dst, udp_port);
        char payload[16];
        const std::uint64_t which = index;
        std::memcpy(payload, &which, 8);
        std::memcpy(payload + 8, &number, 8);
        return sendto(fd_.get(), payload, sizeof(payload), 0, to.get(), to.length) < 0 ? errno : 0;
    }

  private:
    Fd fd_;
};

void send_all(Ledger &ledger, bool allowed, unsigned per_second) {
    Ledger::Shared &shared = ledger.shared();
    std::vector<Datagrams> datagrams(flows().size());
    const Micros pause = second / per_second;
    Micros due = ledger.now();
    while (!shared.ended) {
        const Micros now = ledger.now();
        if (now < due) {
            const timespec rest{0, static_cast<long>(due - now) * 1000};
            nanosleep(&rest, nullptr);
            continue;
        }
        if (const Micros late = now - due; late > most_late * pause) {
            if (late > shared.longest_stall) shared.longest_stall = late;
            due = now;
        }
        due += pause;
        if (shared.quiet) continue;
        for (std::size_t index = 0; index < flows().size(); ++index) {
            const Flow &flow = flows()[index];
            const std::uint64_t number = shared.sent[index];
            if (flow.allowed != allowed || number >= Ledger::capacity) continue;
            Packet &packet = ledger.packet(index, number);
            packet.sent = ledger.now(); // before it can arrive
            const int error = flow.tcp ? send_syn(flow, number) : datagrams[index].send(flow, index, number);
            packet.error = static_cast<std::uint16_t>(error);
            shared.sent[index] = number + 1;
        }
    }
}

} // namespace

std::unique_ptr<harness::Helper> start_sender(const harness::Netns &host, Ledger &ledger, bool allowed,
                                              unsigned per_second) {
    return std::make_unique<harness::Helper>(
        harness::Identity{.netns = host.fd(), .uid = harness::user_uid},
        [&ledger, allowed, per_second](const std::function<void()> &ready) {
            ready();
            send_all(ledger, allowed, per_second);
        });
}

} // namespace lk::chaos
