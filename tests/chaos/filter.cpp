// SPDX-License-Identifier: MIT
#include "chaos/filter.h"

#include <fmt/format.h>
#include <linux/elf.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>

#include "harness/sandbox.h"
#include "kernel/state.h"
#include "net/netns.h"

namespace lk::chaos {

using namespace lk::harness;

namespace {

std::string contents(const std::filesystem::path &path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

bool follows(const std::string &command_line) {
    const auto program_end = command_line.find('\0');
    if (program_end == std::string::npos) return false;
    const std::string program = command_line.substr(0, program_end);
    return program.substr(program.rfind('/') + 1).starts_with("leakbpf") &&
           command_line.ends_with(std::string("\0follow\0", 8));
}

// Where each BPF object is that is embedded in a program.
std::vector<std::size_t> bpf_objects(const std::string &binary) {
    const std::string magic("\x7f"
                            "ELF\x02\x01\x01",
                            7);
    std::vector<std::size_t> found;
    for (std::size_t at = binary.find(magic); at != std::string::npos; at = binary.find(magic, at + 1)) {
        Elf64_Ehdr header;
        if (at + sizeof(header) > binary.size()) break;
        std::memcpy(&header, binary.data() + at, sizeof(header));
        if (header.e_machine == EM_BPF) found.push_back(at);
    }
    return found;
}

} // namespace

Filter::Filter(const World &world) : world_(world), binary_(leakbpf_binary()) {
    Place place{Sandbox::current().bpffs(), Sandbox::current().cgroup_root(), 0};
    world.host().inside([&] { place.netns_cookie = netns_cookie().value(); });
    pins_.dir = place.directory();
}

std::vector<std::string> Filter::command(const std::vector<std::string> &words) const {
    const Sandbox &sandbox = Sandbox::current();
    std::vector<std::string> argv{binary_, "--bpffs", sandbox.bpffs(), "--cgroup-root",
                                  sandbox.cgroup_root()};
    argv.insert(argv.end(), words.begin(), words.end());
    return argv;
}

Output Filter::run(const std::vector<std::string> &words) const {
    return harness::run(command(words), {.netns = world_.host().fd()});
}

bool Filter::run_and_kill(const std::vector<std::string> &words, std::chrono::microseconds after) const {
    Background process(command(words), {.netns = world_.host().fd()}, "/dev/null");
    const auto until = std::chrono::steady_clock::now() + after;
    while (process.alive() && std::chrono::steady_clock::now() < until) {
        const timespec moment{0, 100'000};
        nanosleep(&moment, nullptr);
    }
    const bool ended = !process.alive();
    process.end(SIGKILL);
    return ended;
}

std::vector<std::string> Filter::apply_words(const std::string &configuration) const {
    const std::string path = Sandbox::current().dir() + "/leakbpf.toml";
    std::ofstream(path) << configuration;
    return {"apply", "--config", path};
}

std::optional<pid_t> Filter::follower() const {
    for (const auto &entry : std::filesystem::directory_iterator("/proc")) {
        const std::string name = entry.path().filename();
        if (name.find_first_not_of("0123456789") != std::string::npos) continue;
        if (follows(contents(entry.path() / "cmdline"))) return std::stoi(name);
    }
    return std::nullopt;
}

void Filter::kill_follower() const {
    const auto pid = follower();
    if (!pid) return;
    kill(*pid, SIGKILL);
    eventually([&] { return !follows(contents(fmt::format("/proc/{}/cmdline", *pid))); });
}

void Filter::start_follower() {
    const std::string log = Sandbox::current().dir() + "/follow.log";
    service_.reset();
    service_.emplace(command({"follow"}), RunOptions{.netns = world_.host().fd()}, log);
    if (!eventually([&] { return contents(log).find("following") != std::string::npos; }))
        throw std::runtime_error("leakbpf follow does not follow: " + contents(log));
}

void Filter::upgrade(unsigned number) {
    std::string bytes = contents(leakbpf_binary());
    const auto objects = bpf_objects(bytes);
    if (objects.empty()) throw std::runtime_error("no BPF object in " + leakbpf_binary());
    // Bytes of the ELF header that nobody reads.
    for (const std::size_t at : objects)
        std::memcpy(bytes.data() + at + EI_PAD, &number, sizeof(number));
    const std::string path = fmt::format("{}/leakbpf-{}", Sandbox::current().dir(), number);
    std::ofstream(path, std::ios::binary) << bytes;
    chmod(path.c_str(), 0755);
    if (binary_ != leakbpf_binary()) std::filesystem::remove(binary_);
    binary_ = path;
}

bool Filter::guards(int uplink) const {
    const int ifindex = world_.host().ifindex(World::name(uplink));
    return ifindex != 0 && (path_exists(pins_.tcx_link(ifindex)) || path_exists(pins_.clsact(ifindex)));
}

bool Filter::leaves_no_window() const {
    const auto status = nlohmann::json::parse(run({"--json", "status"}).out, nullptr, false);
    return status.is_object() && status.value("gate", "") == "netfilter" &&
           std::ranges::none_of(status.value("uplinks", nlohmann::json::array()),
                                [](const auto &uplink) { return uplink["hook"] == "clsact"; });
}

unsigned long Filter::overruns(pid_t follower) const {
    std::istringstream table(contents(fmt::format("/proc/{}/net/netlink", follower)));
    unsigned long drops = 0;
    std::string line;
    std::getline(table, line); // the names of the columns
    while (std::getline(table, line)) {
        std::istringstream words(line);
        std::string word;
        for (int column = 0; words >> word; ++column)
            if (column == 8) drops += std::stoul(word);
    }
    return drops;
}

std::string Filter::state() const {
    std::string text = run({"status"}).out;
    const auto pid = follower();
    if (!pid) return text + "no process follows\n";
    for (const char *file : {"status", "wchan", "syscall", "net/netlink"})
        text +=
            fmt::format("/proc/{}/{}:\n{}\n", *pid, file, contents(fmt::format("/proc/{}/{}", *pid, file)));
    return text;
}

} // namespace lk::chaos
