// SPDX-License-Identifier: MIT
#include "bench/speed_commands.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

#include "harness/must.h"

namespace lk::bench {

using namespace harness;

namespace {

using Millis = std::chrono::duration<double, std::milli>;

// Without pipes: whoever stays in the background would hold them open.
void run_one(int netns, const std::vector<std::string> &argv, const std::string &log) {
    std::vector<char *> words;
    for (const std::string &word : argv)
        words.push_back(const_cast<char *>(word.c_str()));
    words.push_back(nullptr);
    fflush(nullptr);
    const pid_t pid = fork();
    must(pid >= 0, "fork");
    if (pid == 0) {
        const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (setns(netns, CLONE_NEWNET) == 0 && dup2(out, 1) == 1 && dup2(out, 2) == 2)
            execvp(words[0], words.data());
        _exit(127);
    }
    int status = 0;
    must(waitpid(pid, &status, 0) == pid, "waitpid");
    if (status == 0) return;
    std::ifstream file(log);
    throw std::runtime_error(
        fmt::format("{}: {}", argv.front(), std::string(std::istreambuf_iterator<char>(file), {})));
}

Commands leakbpf_apply(const SpeedWorld &world, const Policy &policy, bool follow) {
    std::vector<std::string> words{"apply", "--config", world.file("leakbpf.toml", leakbpf_config(policy))};
    if (!follow) words.push_back("--no-follow");
    return {world.leakbpf(words)};
}

Loader leakbpf_loader(bool follow) {
    const auto apply = [follow](const SpeedWorld &world, const Policy &policy) {
        return leakbpf_apply(world, policy, follow);
    };
    return {.name = follow ? "leakbpf" : "leakbpf-alone",
            .title = follow ? "leakbpf apply" : "leakbpf apply --no-follow",
            .load = apply,
            .replace = apply,
            .unload =
                [](const SpeedWorld &world) {
                    return Commands{world.leakbpf({"detach", "--all"})};
                },
            .tools = {}};
}

Commands nft_file(const SpeedWorld &world, const Policy &policy) {
    return {{"nft", "-f", world.file("sets.nft", nft_sets(policy))}};
}

Commands flush(const SpeedWorld &) {
    return {{"nft", "flush", "ruleset"}};
}

Commands ipset_restore(const SpeedWorld &world, const Policy &policy) {
    return {{"ipset", "restore", "-file", world.file("lists.ipset", ipset_lists(policy))}};
}

Commands ipset_load(const SpeedWorld &world, const Policy &policy) {
    Commands commands = ipset_restore(world, policy);
    commands.push_back({"iptables-restore", world.file("ipset.rules", ipset_rules())});
    return commands;
}

Commands bitmask_load(const SpeedWorld &world, const Policy &policy) {
    return {{"iptables-restore", world.file("bitmask.rules", bitmask_chain(policy))}};
}

// firewall_stop() and firewall_start() of bitmask-root: one iptables for each rule.
Commands bitmask_restart(const SpeedWorld &world, const Policy &policy) {
    std::string script = "set -e\n"
                         "iptables -D OUTPUT -j bitmask\niptables -t nat -D OUTPUT -j bitmask\n"
                         "iptables -t nat -D POSTROUTING -j bitmask_postrouting\n"
                         "iptables -F bitmask\niptables -X bitmask\n"
                         "iptables -t nat -F bitmask\niptables -t nat -X bitmask\n"
                         "iptables -t nat -F bitmask_postrouting\niptables -t nat -X bitmask_postrouting\n";
    std::istringstream lines(bitmask_chain(policy));
    std::string table;
    for (std::string line; std::getline(lines, line);) {
        if (line[0] == '*') table = line.substr(1);
        if (line[0] == ':')
            script += fmt::format("iptables -t {} -N {}\n", table, line.substr(1, line.find(' ') - 1));
        if (line[0] == '-') script += fmt::format("iptables -t {} {}\n", table, line);
    }
    return {{"sh", world.file("bitmask.sh", script)}};
}

} // namespace

std::vector<Loader> loaders() {
    return {leakbpf_loader(true),
            leakbpf_loader(false),
            {.name = "nft",
             .title = "nft -f, sets",
             .load = nft_file,
             .replace = nft_file,
             .unload = flush,
             .tools = {"nft"}},
            {.name = "ipset",
             .title = "ipset restore, swap",
             .load = ipset_load,
             .replace = ipset_restore,
             .unload =
                 [](const SpeedWorld &) {
                     return Commands{{"nft", "flush", "ruleset"}, {"ipset", "destroy"}};
                 },
             .tools = {"ipset", "iptables-restore", "nft"}},
            {.name = "bitmask",
             .title = "Bitmask",
             .load = bitmask_load,
             .replace = bitmask_restart,
             .unload = flush,
             .tools = {"iptables-restore", "nft"},
             .most_rounds = 2}};
}

double run_ms(const SpeedWorld &world, const Commands &commands) {
    const std::string log = world.file("log", "");
    const auto since = std::chrono::steady_clock::now();
    for (const auto &argv : commands)
        run_one(world.host_fd(), argv, log);
    return Millis(std::chrono::steady_clock::now() - since).count();
}

} // namespace lk::bench
