// SPDX-License-Identifier: MIT
#include "board/score.h"

#include <algorithm>
#include <regex>
#include <set>

#include <fmt/format.h>

namespace lk::board {

using harness::Expect;
using harness::Setting;

namespace {

class Choices {
  public:
    explicit Choices(const Peer &peer) : peer_(peer) {
        for (const Choice &choice : peer.choices)
            expressions_.emplace_back(choice.cases, std::regex::optimize);
    }
    bool cover(const Cases &cases, std::size_t index, Expect expect) const {
        if (peer_.trusts_daemon && cases.of_daemon(index) && expect == Expect::stays) return true;
        return std::ranges::any_of(expressions_, [name = cases.name(index)](const std::regex &one) {
            return std::regex_search(name, one);
        });
    }

  private:
    const Peer &peer_;
    std::vector<std::regex> expressions_;
};

bool depends_on_mode(const Cases &cases, std::size_t index) {
    return cases.expected(index, Setting::standard) != cases.expected(index, Setting::strict);
}

void count(Tally &group, Tally &all, bool bad) {
    group.of++, all.of++;
    group.bad += bad, all.bad += bad;
}

// Of leakbpf the mode says what is right; of others nothing is.
void count_by_mode(const Cases &cases, std::size_t index, const Peer &peer, const Outcome &outcome,
                   Score &score) {
    score.by_mode.of++;
    if (!peer.leakbpf) {
        score.by_mode.bad += outcome.seen;
        return;
    }
    const bool stays = cases.expected(index, *peer.leakbpf) == Expect::stays;
    if (stays ? !outcome.seen : outcome.works) return;
    score.by_mode.bad++;
    score.bad.push_back(
        fmt::format("{} {}: {}", stays ? "leaked" : "broken", cases.name(index), outcome.trouble));
}

Score score_of(const Cases &cases, const std::vector<Outcome> &outcomes, const Peer &peer,
               const std::vector<bool> &proven) {
    Score score;
    const Choices choices(peer);
    for (std::size_t index = 0; index < cases.size(); index++) {
        const Outcome &outcome = outcomes[index];
        if (!proven[index]) continue;
        if (!outcome.fired) {
            score.untried++;
            score.bad.push_back(fmt::format("untried {}: {}", cases.name(index), outcome.trouble));
            continue;
        }
        const Expect expect = cases.expected(index, Setting::standard);
        if (depends_on_mode(cases, index)) {
            count_by_mode(cases, index, peer, outcome, score);
            continue;
        }
        if (choices.cover(cases, index, expect)) {
            score.on_purpose++;
            continue;
        }
        const bool stays = expect == Expect::stays, bad = stays ? outcome.seen : !outcome.works;
        auto &groups = stays ? score.leaked : score.broken;
        count(groups[cases.group(index)], stays ? score.all_leaked : score.all_broken, bad);
        if (bad)
            score.bad.push_back(fmt::format("{} {}{}{}", stays ? "leaked" : "broken", cases.name(index),
                                            stays || outcome.trouble.empty() ? "" : ": ",
                                            stays ? "" : outcome.trouble));
    }
    return score;
}

bool cannot_be_sent(const Cases &cases, std::size_t index) {
    return index < cases.shared.size() && !cases.shared[index]->vector->unsendable.empty();
}

bool is_proven(const Cases &cases, std::size_t index, const Outcome &bare) {
    return cases.expected(index, Setting::standard) == Expect::stays ? bare.seen : bare.works;
}

// What must pass and did not, for leakbpf; for others only what left and had no answer, since what they hold
// back does not leave.
bool may_be_lost(const Cases &cases, std::size_t index, const Peer &peer, const Outcome &outcome) {
    const bool leaves = cases.expected(index, peer.leakbpf.value_or(Setting::standard)) == Expect::leaves;
    if (peer.leakbpf) return !outcome.fired || (leaves && !outcome.works);
    return leaves && outcome.seen && !outcome.works;
}

} // namespace

std::set<std::size_t> doubtful(const Cases &cases, const std::vector<Peer> &peers,
                               const std::vector<std::vector<Outcome>> &outcomes) {
    std::set<std::size_t> found;
    for (std::size_t index = 0; index < cases.size(); index++) {
        if (cannot_be_sent(cases, index)) continue;
        bool good = is_proven(cases, index, outcomes.front()[index]);
        for (std::size_t row = 0; row < peers.size(); row++)
            good = good && !may_be_lost(cases, index, peers[row], outcomes[row][index]);
        if (!good) found.insert(index);
    }
    return found;
}

Board judge(const Cases &cases, const std::vector<Peer> &peers,
            const std::vector<std::vector<Outcome>> &outcomes) {
    Board board;
    board.peers = peers;
    std::vector<bool> proven(cases.size());
    std::set<std::string> leaks, passes;
    for (std::size_t index = 0; index < cases.size(); index++) {
        const Outcome &bare = outcomes.front()[index];
        const bool stays = cases.expected(index, Setting::standard) == Expect::stays;
        proven[index] = is_proven(cases, index, bare);
        if (cannot_be_sent(cases, index)) continue;
        if (!proven[index]) {
            board.unproven.push_back(fmt::format("{}: {}", cases.name(index), bare.trouble));
            continue;
        }
        if (depends_on_mode(cases, index)) {
            board.mode_cases++;
            continue;
        }
        (stays ? board.leak_cases : board.pass_cases)++;
        (stays ? leaks : passes).insert(cases.kind(index));
        if (!std::ranges::count(board.groups, cases.group(index))) board.groups.push_back(cases.group(index));
    }
    board.leak_kinds = static_cast<unsigned>(leaks.size());
    board.pass_kinds = static_cast<unsigned>(passes.size());
    for (std::size_t row = 0; row < peers.size(); row++)
        board.scores.push_back(score_of(cases, outcomes[row], peers[row], proven));
    return board;
}

std::vector<std::string> Board::failures() const {
    std::vector<std::string> all;
    for (const std::string &line : unproven)
        all.push_back("not proven without a filter: " + line);
    for (std::size_t row = 0; row < peers.size(); row++)
        if (peers[row].leakbpf)
            for (const std::string &line : scores[row].bad)
                all.push_back(peers[row].name + ": " + line);
    return all;
}

} // namespace lk::board
