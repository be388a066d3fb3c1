// SPDX-License-Identifier: MIT
// CliWorld with cgroups: processes of a cgroup that send, and what becomes of it on the wire.
#pragma once

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <stdexcept>

#include "cli_world.h"
#include "harness/kernel.h"

namespace lk::harness {

class Cgroup {
  public:
    explicit Cgroup(const std::string &name)
        : path_(Sandbox::current().cgroup_root() + "/" + name), name_(name) {
        if (mkdir(path_.c_str(), 0755) != 0 && errno != EEXIST) throw std::runtime_error("mkdir " + path_);
    }
    Cgroup(const Cgroup &) = delete;
    Cgroup &operator=(const Cgroup &) = delete;
    ~Cgroup() {
        eventually([&] { return remove(); });
    }
    const std::string &path() const { return path_; }
    const std::string &name() const { return name_; } // below the root
    void enter() const { enter_cgroup(path_); }
    bool remove() const { return rmdir(path_.c_str()) == 0 || errno == ENOENT; }

  private:
    std::string path_, name_;
};

// The errno of a refused call, and of one that was not: 0.
struct Sent {
    int error = 0;
    bool arrived = false;
};

// A device of kind tun that is up, as long as the descriptor lives.
inline Fd make_tun(const Netns &netns, const std::string &name) {
    Fd tun;
    netns.inside([&] {
        tun = Fd(open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
        ifreq request{};
        std::snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name.c_str());
        request.ifr_flags = IFF_TUN | IFF_NO_PI;
        if (ioctl(tun.get(), TUNSETIFF, &request) != 0) throw std::runtime_error("making " + name);
        bring_up(name);
    });
    return tun;
}

// A policy beside all tests of an executable, so that the programs are loaded once, which takes long where
// the machine is slow: testing::AddGlobalTestEnvironment(new ProgramsKept).
class ProgramsKept : public testing::Environment {
  public:
    static constexpr const char *name = "kept-for-all";
    void SetUp() override {
        cgroup_ = std::make_unique<Cgroup>(name);
        const Netns netns("lk-kept");
        const Output output = harness::leakbpf(netns.fd(), {"attach", "--cgroup", name, "--lockdown"}, 60s);
        ASSERT_EQ(output.status, 0) << output.err;
    }
    void TearDown() override {
        const Netns netns("lk-kept");
        EXPECT_EQ(harness::leakbpf(netns.fd(), {"detach", "--cgroup", name}).status, 0);
        EXPECT_EQ(pins(), none);
        cgroup_.reset();
    }

  private:
    std::unique_ptr<Cgroup> cgroup_;
};

class CgroupWorld : public CliWorld {
  public:
    explicit CgroupWorld(const std::string &name) : CliWorld("cg-" + name) {
        for (Netns *netns : {&host(), &far()})
            netns->ip(fmt::format("addr add fd07::{}/64 dev {} nodad", netns == &far() ? 1 : 2,
                                  netns == &far() ? "far-eth0" : "eth0"));
        host().ip("route add default via fd07::1 dev eth0\n"
                  "neigh replace fd07::1 lladdr 02:00:00:07:01:01 dev eth0 nud permanent");
    }
    ~CgroupWorld() {
        for (const std::string &path : policies())
            leakbpf({"detach", "--cgroup", path});
    }

    // Of which cgroups, but for ProgramsKept.
    std::vector<std::string> policies() const {
        const auto status =
            nlohmann::json::parse(leakbpf({"--json", "status", "--cgroups"}).out, nullptr, false);
        std::vector<std::string> paths;
        if (!status.is_object()) return paths;
        for (const auto &entry : status["cgroups"])
            if (entry["path"] != ProgramsKept::name) paths.push_back(entry["path"].get<std::string>());
        return paths;
    }

    Output guard(const Cgroup &cgroup, const std::vector<std::string> &policy) const {
        std::vector<std::string> words{"attach", "--cgroup", cgroup.name()};
        words.insert(words.end(), policy.begin(), policy.end());
        return leakbpf(words);
    }
    Output free(const Cgroup &cgroup) const { return leakbpf({"detach", "--cgroup", cgroup.name()}); }

    // BODY in a process of CGROUP; what it returns.
    int inside(const Cgroup &cgroup, const std::function<int()> &body, int netns = -1, uid_t uid = 0) {
        int channel[2];
        if (pipe2(channel, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
        const Fd from(channel[0]), to(channel[1]);
        const std::string wrong = as({.netns = netns < 0 ? host().fd() : netns}, [&] {
            cgroup.enter();
            if (uid) become(uid, false);
            const int answer = body();
            if (write(to.get(), &answer, sizeof(answer)) != ssize_t{sizeof(answer)})
                throw std::runtime_error("write");
        });
        EXPECT_EQ(wrong, "");
        int answer = -1;
        if (wrong.empty()) {
            EXPECT_EQ(read(from.get(), &answer, sizeof(answer)), ssize_t{sizeof(answer)});
        }
        return answer;
    }

    // A datagram of CGROUP to DST. CONNECTED: by connect and send.
    Sent datagram(const Cgroup &cgroup, const char *dst, bool connected = false, int netns = -1,
                  uid_t uid = 0) {
        const std::uint16_t port = next_++;
        Mark mark;
        mark.flow(Ip::of(dst), port);
        const std::size_t since = capture().position();
        Sent sent;
        sent.error = inside(
            cgroup,
            [&] {
                const SockAddr to(Ip::of(dst), port);
                const Fd socket(::socket(to.get()->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
                if (connected && connect(socket.get(), to.get(), to.length) != 0) return errno;
                const auto done = connected ? send(socket.get(), "probe", 5, 0)
                                            : sendto(socket.get(), "probe", 5, 0, to.get(), to.length);
                return done < 0 ? errno : 0;
            },
            netns, uid);
        capture().settle();
        sent.arrived = capture().count(mark, since) > 0;
        return sent;
    }
    bool passes(const Cgroup &cgroup, const char *dst) {
        const Sent sent = datagram(cgroup, dst);
        EXPECT_EQ(sent.error == 0, sent.arrived) << dst << ": " << strerror(sent.error);
        return sent.arrived;
    }

    // What a refused call is told.
    static int refused() { return kernel_is_at_least(6, 1) ? ECONNREFUSED : EPERM; }

  private:
    std::uint16_t next_ = 30000;
};

} // namespace lk::harness
