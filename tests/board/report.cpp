// SPDX-License-Identifier: MIT
#include "board/report.h"

#include <sys/utsname.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace lk::board {

namespace {

std::string of(const Tally &tally) {
    return tally.of ? fmt::format("{} of {}", tally.bad, tally.of) : "";
}

std::string counts(const Board &board) {
    return fmt::format(
        "{} leak cases of {} kinds, {} must-pass cases of {} kinds, {} cases that the mode decides",
        board.leak_cases, board.leak_kinds, board.pass_cases, board.pass_kinds, board.mode_cases);
}

Tally group_of(const std::map<std::string, Tally> &groups, const std::string &name) {
    auto found = groups.find(name);
    return found == groups.end() ? Tally{} : found->second;
}

// For leakbpf what is wrong, for others what leaves.
std::string by_mode(const Board &board, std::size_t row) {
    const Tally &tally = board.scores[row].by_mode;
    return board.peers[row].leakbpf ? fmt::format("{} wrong", of(tally)) : fmt::format("{} leave", of(tally));
}

std::string cpu_model() {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);)
        if (line.rfind("model name", 0) == 0 && line.find(": ") != std::string::npos)
            return line.substr(line.find(": ") + 2);
    utsname name{};
    uname(&name);
    return name.machine;
}

constexpr const char *explanation =
    R"(A case is one way out, tried by real senders: a kind of traffic, by family, sender and state of the tunnel. It
counts only if the far side of the wire sees it with no filter; the capture that judges it knows of no filter.
*Leaked*: what should have stayed was seen. *Broken*: what must work was not seen, or its answer did not come.

- The senders, the worlds and the order are the same for all. Before each case all tracked connections are forgotten.
- *On purpose*: cases that a peer is not judged by, because its own documentation opens or closes them (the local network
  where it is shared, gateways for everybody, IPv6 where it is switched off, the VPN daemon where it is trusted). The
  patterns stand with their reasons in the peer's file in `tests/board`.
- *Untried*: what could not be brought about there, such as a download by a tunnel that the rules do not let work.
- *By mode*: whether every program may send to a gateway or the VPN daemon alone, and whether the daemon may send
  anywhere: for peers how many of these left, without a judgement; for leakbpf how many went against the mode.
- "Tunnel down" is a tunnel whose device is gone while the rules stay, also for wg-quick, which would take them along.
- A mark that a peer trusts is forged as such; the sender needs CAP_NET_RAW for it (Linux 5.17).
)";

} // namespace

Occasion Occasion::now(const std::string &command) {
    utsname name{};
    uname(&name);
    return {.kernel = fmt::format("{} {}", name.release, name.machine),
            .cpu = cpu_model(),
            .date = fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::time(nullptr))),
            .version = LK_VERSION,
            .command = command};
}

std::string table(const Board &board) {
    std::string text = fmt::format("{}\n\n{:<26}{:>16}{:>14}{:>19}{:>12}{:>9}\n", counts(board), "", "leaked",
                                   "broken", "by mode", "on purpose", "untried");
    for (std::size_t row = 0; row < board.peers.size(); row++) {
        const Score &score = board.scores[row];
        text +=
            fmt::format("{:<26}{:>16}{:>14}{:>19}{:>12}{:>9}\n", board.peers[row].title, of(score.all_leaked),
                        of(score.all_broken), by_mode(board, row), score.on_purpose, score.untried);
    }
    for (auto [title, groups] : {std::pair("leaked", &Score::leaked), std::pair("broken", &Score::broken)}) {
        text += fmt::format("\n{:<26}", title);
        std::vector<std::string> used;
        for (const std::string &group : board.groups)
            if (group_of(board.scores.front().*groups, group).of) used.push_back(group);
        for (const std::string &group : used)
            text += fmt::format("{:>14}", group);
        text += "\n";
        for (std::size_t row = 0; row < board.peers.size(); row++) {
            text += fmt::format("{:<26}", board.peers[row].title);
            for (const std::string &group : used)
                text += fmt::format("{:>14}", of(group_of(board.scores[row].*groups, group)));
            text += "\n";
        }
    }
    return text;
}

std::string json(const Board &board, const Occasion &occasion) {
    auto figures = [](const Tally &tally) {
        return nlohmann::ordered_json{{"bad", tally.bad}, {"of", tally.of}};
    };
    auto groups = [&](const std::map<std::string, Tally> &all) {
        nlohmann::ordered_json out = nlohmann::ordered_json::object();
        for (const auto &[name, tally] : all)
            out[name] = figures(tally);
        return out;
    };
    nlohmann::ordered_json out{{"command", occasion.command},    {"version", occasion.version},
                               {"kernel", occasion.kernel},      {"cpu", occasion.cpu},
                               {"date", occasion.date},          {"leak_cases", board.leak_cases},
                               {"leak_kinds", board.leak_kinds}, {"pass_cases", board.pass_cases},
                               {"pass_kinds", board.pass_kinds}, {"mode_cases", board.mode_cases},
                               {"unproven", board.unproven}};
    for (std::size_t row = 0; row < board.peers.size(); row++) {
        const Peer &peer = board.peers[row];
        const Score &score = board.scores[row];
        nlohmann::ordered_json choices = nlohmann::ordered_json::array();
        for (const Choice &choice : peer.choices)
            choices.push_back({{"cases", choice.cases}, {"why", choice.why}});
        if (peer.trusts_daemon) choices.push_back({{"cases", "sent by the VPN's user"}, {"why", "trusted"}});
        out["peers"].push_back({{"name", peer.name},
                                {"title", peer.title},
                                {"source", peer.source},
                                {"leaked", figures(score.all_leaked)},
                                {"broken", figures(score.all_broken)},
                                {"by_mode", figures(score.by_mode)},
                                {"on_purpose", score.on_purpose},
                                {"choices", choices},
                                {"untried", score.untried},
                                {"leaked_by_group", groups(score.leaked)},
                                {"broken_by_group", groups(score.broken)},
                                {"cases", score.bad}});
    }
    return out.dump(2) + "\n";
}

std::string markdown(const Board &board, const Occasion &occasion) {
    std::string text = fmt::format(
        "## What leaks, and what breaks\n\n![Leaked and broken cases by filter](scoreboard.svg)\n\n"
        "{}. leakbpf {}, Linux {}, {}, {}. Made by\n\n"
        "    {}\n\n"
        "| | leaked | broken | by mode | on purpose | untried |\n|---|---|---|---|---|---|\n",
        counts(board), occasion.version, occasion.kernel, occasion.cpu, occasion.date, occasion.command);
    for (std::size_t row = 0; row < board.peers.size(); row++) {
        const Score &score = board.scores[row];
        text += fmt::format("| {} | {} | {} | {} | {} | {} |\n", board.peers[row].title, of(score.all_leaked),
                            of(score.all_broken), by_mode(board, row), score.on_purpose, score.untried);
    }
    text += fmt::format("\n{}\n", explanation);
    for (auto [title, groups] : {std::pair("Leaked", &Score::leaked), std::pair("Broken", &Score::broken)}) {
        std::string head = fmt::format("| {}, by group |", title), rule = "|---|", body;
        for (const Peer &peer : board.peers)
            head += fmt::format(" {} |", peer.title), rule += "---|";
        for (const std::string &group : board.groups) {
            if (!group_of(board.scores.front().*groups, group).of) continue;
            body += fmt::format("| {} |", group);
            for (const Score &score : board.scores)
                body += fmt::format(" {} |", of(group_of(score.*groups, group)));
            body += "\n";
        }
        text += fmt::format("{}\n{}\n{}\n", head, rule, body);
    }
    text += "Whose rules these are:\n\n";
    for (const Peer &peer : board.peers)
        text += fmt::format("- {}: {}\n", peer.title, peer.source);
    return text;
}

void write_section(const std::string &path, const std::string &name, const std::string &text) {
    const std::string begin = fmt::format("<!-- {}: written by the command below -->\n", name),
                      end = fmt::format("<!-- end of {} -->\n", name);
    std::string page = "# Scoreboard\n\n";
    if (std::ifstream file(path); file) page.assign(std::istreambuf_iterator<char>(file), {});
    const std::string section = begin + text + end;
    const std::size_t from = page.find(begin), to = page.find(end);
    if (from != std::string::npos && to != std::string::npos && from < to)
        page.replace(from, to + end.size() - from, section);
    else
        page += section;
    std::ofstream file(path);
    file << page << std::flush;
    if (!file) throw std::runtime_error("cannot write " + path);
}

} // namespace lk::board
