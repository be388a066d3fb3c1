// SPDX-License-Identifier: MIT
// The smallest world for the command line: a host with an uplink eth0 and the far side that records. Shared
// by the cli_* tests; what leaks in general is the matter of leak_*.
#pragma once

#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "harness/capture.h"
#include "harness/netns.h"
#include "harness/process.h"
#include "harness/sandbox.h"
#include "harness/sender.h"
#include "harness/walk.h"

namespace lk::harness {

inline const std::vector<std::string> none;

inline std::string contents(const std::string &path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

// Pins of ours in the sandbox.
inline std::vector<std::string> pins() {
    std::vector<std::string> found;
    for (const auto &path : all_below(Sandbox::current().bpffs()))
        if (path.extension() != ".debug" && path.filename() != "leakbpf") found.push_back(path);
    return found;
}

// Followers in the sandbox.
inline std::vector<std::string> processes() {
    std::vector<std::string> found;
    for (const auto &entry : std::filesystem::directory_iterator("/proc")) {
        const std::string line = contents(entry.path() / "cmdline");
        if (isdigit(entry.path().filename().c_str()[0]) && line.starts_with("leakbpf")) found.push_back(line);
    }
    return found;
}

class CliWorld {
  public:
    explicit CliWorld(const std::string &name)
        : far_("lk-" + name + "-far"), host_("lk-" + name + "-host"), capture_(far_) {
        plug("eth0", 1);
        host_.ip("route add default via 10.7.1.1 dev eth0");
    }
    ~CliWorld() { leakbpf({"detach", "--all"}); }

    Netns &host() { return host_; }
    Netns &far() { return far_; }
    Capture &capture() { return capture_; }

    // Device DEV of the host with 10.7.NET.2/24, its far end with 10.7.NET.1; known to each other.
    void plug(const std::string &dev, int net) {
        const std::string mac = fmt::format("02:00:00:07:{:02x}:", net);
        host_.ip(
            fmt::format("link add {0} address {1}02 type veth peer name far-{0} address {1}01 netns {2}\n"
                        "link set {0} up\naddr add 10.7.{3}.2/24 dev {0}\n"
                        "neigh replace 10.7.{3}.1 lladdr {1}01 dev {0} nud permanent",
                        dev, mac, far_.name(), net));
        far_.ip(fmt::format("link set far-{0} up\naddr add 10.7.{1}.1/24 dev far-{0}", dev, net));
    }

    // leakbpf ARGS in the host's namespace.
    Output leakbpf(const std::vector<std::string> &args) const { return harness::leakbpf(host_.fd(), args); }
    Output attach(const std::vector<std::string> &args = {"eth0", "--gw", "198.51.100.7"}) const {
        std::vector<std::string> words{"attach"};
        words.insert(words.end(), args.begin(), args.end());
        return leakbpf(words);
    }
    nlohmann::json status() const {
        const Output output = leakbpf({"--json", "status"});
        const auto json = nlohmann::json::parse(output.out, nullptr, false);
        EXPECT_TRUE(json.is_object()) << output.out << output.err;
        return json.is_object() ? json : nlohmann::json::object();
    }
    std::vector<std::string> guarded() const {
        std::vector<std::string> names;
        const auto json = status();
        for (const auto &uplink : json.value("uplinks", nlohmann::json::array()))
            if (uplink["alive"] == true && uplink["guarded"] == true && uplink["name"].is_string())
                names.push_back(uplink["name"]);
        return names;
    }
    pid_t follower() const {
        const auto json = status();
        return json.contains("follower") && json["follower"].is_object()
                   ? json["follower"]["pid"].get<pid_t>()
                   : 0;
    }

    // True if a datagram of the host, by the user UID, to DST arrives on the far side. FROM: its source, and
    // with it the device.
    bool passes(const char *dst, const char *from = nullptr, const char *device = nullptr, uid_t uid = 0) {
        return passes_from(host_, dst, from, device, uid);
    }
    bool passes_from(const Netns &sender, const char *dst, const char *from = nullptr,
                     const char *device = nullptr, uid_t uid = 0) {
        const std::uint16_t port = next_port_++;
        Mark mark;
        mark.flow(Ip::of(dst), port);
        const std::size_t since = capture_.position();
        const auto send = [&] {
            const int family = Ip::of(dst).family == 4 ? AF_INET : AF_INET6;
            const Fd socket(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
            if (device)
                setsockopt(socket.get(), SOL_SOCKET, SO_BINDTODEVICE, device,
                           static_cast<socklen_t>(std::string(device).size()));
            if (from) {
                SockAddr source(Ip::of(from), 0);
                EXPECT_EQ(bind(socket.get(), source.get(), source.length), 0) << from;
            }
            const SockAddr to(Ip::of(dst), port);
            sendto(socket.get(), "probe", 5, 0, to.get(), to.length);
        };
        if (uid)
            as({.netns = sender.fd(), .uid = uid}, send);
        else
            sender.inside(send);
        capture_.settle();
        return capture_.count(mark, since) > 0;
    }
    // What the filter must never let out, and what it must.
    bool leaks() { return passes("203.0.113.9"); }
    bool gateway_reached() { return passes("198.51.100.7"); }

    // All that a command may change: the pins, and what status says, counters aside.
    std::string snapshot() const {
        std::set<std::string> pins;
        for (const auto &path : all_below(Sandbox::current().bpffs()))
            pins.insert(fmt::format("{} {}", path.string(), inode(path)));
        auto json = status();
        for (const char *changing : {"counters", "untold"})
            json.erase(changing);
        std::string text = json.dump(1) + '\n';
        for (const std::string &pin : pins)
            text += pin + '\n';
        return text;
    }

  private:
    static ino_t inode(const std::filesystem::path &path);

    Netns far_, host_;
    Capture capture_;
    std::uint16_t next_port_ = 20000;
};

// In which there is time for a few commands: they take long where several machines share one.
inline std::chrono::seconds least_time() {
    static const auto time = [] {
        CliWorld world("least-time");
        const auto start = std::chrono::steady_clock::now();
        EXPECT_EQ(world.attach().status, 0);
        EXPECT_EQ(world.status().value("attached", false), true);
        return std::clamp(
            std::chrono::ceil<std::chrono::seconds>(10 * (std::chrono::steady_clock::now() - start)),
            std::chrono::seconds{5}, std::chrono::seconds{60});
    }();
    return time;
}

inline ino_t CliWorld::inode(const std::filesystem::path &path) {
    struct stat found {};
    return stat(path.c_str(), &found) == 0 ? found.st_ino : 0;
}

} // namespace lk::harness
