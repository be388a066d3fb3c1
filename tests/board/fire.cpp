// SPDX-License-Identifier: MIT
#include "board/fire.h"

#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <regex>
#include <stdexcept>

#include <fmt/format.h>

#include "board/jobs.h"

namespace lk::board {

using namespace harness;

namespace {

// Forgets all connections that the namespace tracks, so that no case meets the state that another has left.
class Tracking {
  public:
    explicit Tracking(const Netns &netns) {
        netns.inside([&] { socket_.reset(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER)); });
    }
    void forget() const {
        struct {
            nlmsghdr header;
            nfgenmsg of;
        } message{};
        message.header.nlmsg_len = sizeof(message);
        message.header.nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE;
        message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
        message.of.nfgen_family = AF_UNSPEC;
        char answer[256];
        // A kernel without it has no rules that know of connections either.
        if (send(socket_.get(), &message, sizeof(message), 0) > 0)
            recv(socket_.get(), answer, sizeof(answer), 0);
    }

  private:
    Fd socket_;
};

class PeerGuard : public Guard {
  public:
    explicit PeerGuard(const Peer &peer) : peer_(peer) {}
    ~PeerGuard() override { peer_.clean_up(); }
    void attach(World &world, const std::vector<std::string> &) override { peer_.set_up(world); }

  private:
    const Peer &peer_;
};

std::unique_ptr<Guard> guard_of(const Peer &peer) {
    if (peer.leakbpf) return std::make_unique<LeakbpfGuard>(*peer.leakbpf);
    return std::make_unique<PeerGuard>(peer);
}

// A case without an address or token of its own; a frame that came late is no proof.
bool shares_its_mark(const Case &which) {
    return which.vector->port != 0 || which.vector->group == "pass" || which.vector->group == "tunnel";
}

// How long something that has not come yet may still be under way: only what is expected is waited for.
std::chrono::milliseconds waiting_time(const Case &which, const Peer &peer) {
    if (peer.name == "none") return 2s;
    const bool by_mode = which.expected(Setting::standard) != which.expected(Setting::strict);
    if (!peer.leakbpf && by_mode) return 0ms;
    return which.expected(peer.leakbpf.value_or(Setting::standard)) == Expect::leaves ? 300ms : 0ms;
}

Outcome fire_one(const Case &which, World &world, const Peer &peer, std::pair<Mark, std::size_t> &sent) {
    Capture &capture = world.capture();
    if (shares_its_mark(which)) capture.settle(); // what others have left behind has arrived
    Env env(which, world);
    Outcome outcome{.fired = true};
    try {
        outcome.trouble = which.vector->run(env);
    } catch (const std::exception &error) {
        outcome.trouble = error.what();
    }
    capture.settle();
    auto seen = [&] { return capture.count(env.mark, env.since) > 0; };
    outcome.seen = eventually(seen, waiting_time(which, peer));
    outcome.works = outcome.seen && (!which.vector->answered || outcome.trouble.empty());
    sent = {env.mark, env.since};
    return outcome;
}

void fire_shared(const Cases &cases, const Peer &peer, bool tunnel, const Teller &tell) {
    World world({.name = tunnel ? "up" : "dn", .tunnel = tunnel});
    auto guard = guard_of(peer);
    guard->attach(world);
    Tracking tracking(world.host());
    std::vector<Outcome> outcomes(cases.shared.size());
    std::vector<std::pair<Mark, std::size_t>> sent(cases.shared.size());
    for (std::size_t index = 0; index < cases.shared.size(); index++) {
        const Case &which = *cases.shared[index];
        if (which.tunnel != tunnel || !which.vector->unsendable.empty()) continue;
        tracking.forget();
        outcomes[index] = fire_one(which, world, peer, sent[index]);
    }
    for (std::size_t index = 0; index < outcomes.size(); index++) {
        if (!outcomes[index].fired) continue;
        // A retransmission or a queue may have come later.
        if (!outcomes[index].seen && !shares_its_mark(*cases.shared[index]) &&
            world.capture().count(sent[index].first, sent[index].second) > 0)
            outcomes[index].seen = true;
        tell(index, outcomes[index]);
    }
}

// They mostly wait, so several processes share them.
constexpr std::size_t special_parts = 4;

void fire_special(const Cases &cases, const Peer &peer, std::size_t part, const Teller &tell) {
    for (std::size_t index = part; index < cases.special.size(); index += special_parts) {
        Outcome outcome;
        try {
            auto guard = guard_of(peer);
            harness::Sight seen = cases.special[index]->body(*guard);
            outcome = {.fired = true, .seen = seen.any, .works = seen.all, .trouble = seen.trouble};
        } catch (const std::exception &error) {
            outcome.trouble = error.what();
        }
        tell(cases.shared.size() + index, outcome);
    }
}

} // namespace

Cases::Cases(const std::string &only) {
    add_all_cases(matrix);
    const std::regex wanted(only, std::regex::optimize);
    for (const Case &one : matrix.cases())
        if (std::regex_search(one.vector->group + "." + one.name(), wanted)) shared.push_back(&one);
    for (const Special &one : matrix.specials())
        if (std::regex_search(one.group + "." + one.name, wanted)) special.push_back(&one);
}

std::string Cases::group(std::size_t index) const {
    return index < shared.size() ? shared[index]->vector->group : special[index - shared.size()]->group;
}

std::string Cases::name(std::size_t index) const {
    return group(index) + "." +
           (index < shared.size() ? shared[index]->name() : special[index - shared.size()]->name);
}

std::string Cases::kind(std::size_t index) const {
    if (index < shared.size()) return group(index) + "." + shared[index]->vector->name;
    std::string whole = name(index);
    return whole.substr(0, whole.rfind(".v"));
}

bool Cases::of_daemon(std::size_t index) const {
    return index < shared.size() && shared[index]->who == Who::vpn;
}

Expect Cases::expected(std::size_t index, Setting setting) const {
    return index < shared.size() ? shared[index]->expected(setting)
                                 : special[index - shared.size()]->expected(setting);
}

std::vector<std::vector<Outcome>> fire_all(const Cases &cases, const std::vector<Peer> &peers,
                                           unsigned jobs) {
    std::vector<std::vector<Outcome>> outcomes(peers.size(), std::vector<Outcome>(cases.size()));
    std::vector<Job> all;
    auto add = [&](std::size_t row, const std::string &what, std::function<void(const Teller &)> run) {
        all.push_back({.name = peers[row].name + "-" + what,
                       .run =
                           [mark = peers[row].trusted_mark, run = std::move(run)](const Teller &tell) {
                               forged_mark = mark;
                               run(tell);
                           },
                       .take = [&outcomes, row](std::size_t index,
                                                const Outcome &outcome) { outcomes[row][index] = outcome; }});
    };
    // leakbpf first: its guard takes the longest to come and go.
    for (std::size_t row = peers.size(); row-- > 0;) {
        const Peer &peer = peers[row];
        for (std::size_t part = 0; part < special_parts; part++)
            add(row, fmt::format("special-{}", part),
                [&cases, &peer, part](const Teller &tell) { fire_special(cases, peer, part, tell); });
        for (bool tunnel : {true, false})
            add(row, tunnel ? "up" : "down",
                [&cases, &peer, tunnel](const Teller &tell) { fire_shared(cases, peer, tunnel, tell); });
    }
    run_jobs(all, jobs);
    return outcomes;
}

void fire_again(const Cases &cases, const std::set<std::size_t> &which, const std::vector<Peer> &peers,
                unsigned jobs, std::vector<std::vector<Outcome>> &outcomes) {
    Cases part("");
    part.shared.clear();
    part.special.clear();
    for (const std::size_t index : which) {
        if (index < cases.shared.size())
            part.shared.push_back(cases.shared[index]);
        else
            part.special.push_back(cases.special[index - cases.shared.size()]);
    }
    const auto again = fire_all(part, peers, jobs);
    for (std::size_t row = 0; row < peers.size(); row++) {
        auto next = again[row].begin();
        for (const std::size_t index : which) {
            Outcome &outcome = outcomes[row][index];
            const bool seen = outcome.seen || next->seen, works = outcome.works || next->works;
            if (next->fired && !outcome.works) outcome = *next;
            outcome.seen = seen;
            outcome.works = works;
            ++next;
        }
    }
}

} // namespace lk::board
