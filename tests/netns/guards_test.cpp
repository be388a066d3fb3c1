// SPDX-License-Identifier: MIT
// Guards on the kernel's security functions: 32-bit system calls, locked packet sockets, links that nobody
// else takes off. Kernels that refuse such programs skip what needs them, and the lists of skips say which.
#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cstdlib>
#include <cstring>

#include <gmock/gmock.h>

#include "base/exit_status.h"
#include "harness/kernel.h"
#include "kernel/sys.h"
#include "netns/cli_world.h"

using namespace lk::harness;
using lk::Exit;
using lk::Fd;
using testing::HasSubstr;

namespace {

constexpr int sol_packet = 263, sol_xdp = 283, af_xdp = 44;

// A copy of this executable under another name, started with this in its environment, makes a packet socket
// and ends with the errno, or 0.
const bool as_maker = [] {
    const char *family = std::getenv("LK_MAKE_SOCKET");
    if (family) _exit(::socket(std::atoi(family), SOCK_RAW, 0) >= 0 ? 0 : errno);
    return false;
}();

// setsockopt as a 32-bit program asks for it: what it points to must be below 4 GB. 0 or the errno.
int setsockopt32(int socket, int level, int option, int value) {
#ifdef __x86_64__
    void *low = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (low == MAP_FAILED) return errno;
    std::memcpy(low, &value, sizeof(value));
    long answer = 366; // i386's setsockopt
    asm volatile("int $0x80"
                 : "+a"(answer)
                 : "b"(socket), "c"(level), "d"(option), "S"(low), "D"(sizeof(value))
                 : "memory", "r8", "r9", "r10", "r11");
    ::munmap(low, 4096);
    return answer < 0 ? static_cast<int>(-answer) : 0;
#else
    return ENOSYS;
#endif
}

int setsockopt64(int socket, int level, int option, int value) {
    return ::setsockopt(socket, level, option, &value, sizeof(value)) == 0 ? 0 : errno;
}

bool bypasses(int socket) {
    int value = 0;
    socklen_t size = sizeof(value);
    return ::getsockopt(socket, sol_packet, PACKET_QDISC_BYPASS, &value, &size) == 0 && value != 0;
}

Fd packet_socket() {
    return Fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
}

class Guards : public testing::Test {
  protected:
    Guards() : world_("guard") {}

    void attach(const std::vector<std::string> &more = {}) {
        std::vector<std::string> args{"eth0", "--gw", "198.51.100.7"};
        args.insert(args.end(), more.begin(), more.end());
        const Output attached = world_.attach(args);
        ASSERT_EQ(attached.status, 0) << attached.err;
    }
    bool alive(const std::string &name) const {
        const auto json = world_.status();
        for (const auto &guard : json.value("guards", nlohmann::json::array()))
            if (guard["name"] == name) return guard["alive"] == true;
        return false;
    }
    // What a program of this NAME and MODE gets for a socket of FAMILY.
    int maker(const std::string &name, mode_t mode, int family) {
        const std::string path = Sandbox::current().dir() + "/" + name;
        std::filesystem::copy_file("/proc/self/exe", path, std::filesystem::copy_options::overwrite_existing);
        EXPECT_EQ(::chmod(path.c_str(), mode), 0);
        return run({"env", "LK_MAKE_SOCKET=" + std::to_string(family), path}, {.netns = world_.host().fd()})
            .status;
    }
    static std::string pin_of(const std::string &name) {
        for (const std::string &pin : pins())
            if (pin.ends_with("/" + name)) return pin;
        return "";
    }

    static std::string pin_of_prefix(const std::string &prefix) {
        for (const std::string &pin : pins())
            if (pin.find("/links/" + prefix) != std::string::npos && !pin.ends_with("-new")) return pin;
        return "";
    }

    CliWorld world_;
};

} // namespace

TEST_F(Guards, WithoutThemA32BitCallGetsPast) {
    world_.host().inside([&] {
        const Fd socket = packet_socket();
        ASSERT_TRUE(socket);
        const int error = setsockopt32(socket.get(), sol_packet, PACKET_QDISC_BYPASS, 1);
        if (error == ENOSYS) GTEST_SKIP() << "this kernel has no 32-bit calls";
        EXPECT_EQ(error, 0) << strerror(error);
        EXPECT_TRUE(bypasses(socket.get()));
    });
}

TEST_F(Guards, CompatRefusesTheBypass) {
    attach();
    if (!alive("compat")) GTEST_SKIP() << "this kernel does not take the guard";
    world_.host().inside([&] {
        const Fd socket = packet_socket();
        for (const int value : {1, 0}) // the value is not seen there
            EXPECT_EQ(setsockopt32(socket.get(), sol_packet, PACKET_QDISC_BYPASS, value), EPERM);
        EXPECT_FALSE(bypasses(socket.get()));
        EXPECT_EQ(setsockopt64(socket.get(), sol_packet, PACKET_QDISC_BYPASS, 1), EPERM);
        const Fd xdp(::socket(af_xdp, SOCK_RAW | SOCK_CLOEXEC, 0));
        if (xdp) {
            EXPECT_EQ(setsockopt32(xdp.get(), sol_xdp, 3, 64), EPERM);
        }
        // What must go on working.
        EXPECT_EQ(setsockopt32(socket.get(), sol_packet, 8 /* PACKET_AUXDATA */, 1), 0);
        EXPECT_EQ(setsockopt64(socket.get(), sol_packet, PACKET_QDISC_BYPASS, 0), 0);
        EXPECT_EQ(setsockopt64(socket.get(), sol_packet, 8, 1), 0);
    });
    world_.far().inside([&] { // another network namespace
        const Fd socket = packet_socket();
        EXPECT_EQ(setsockopt32(socket.get(), sol_packet, PACKET_QDISC_BYPASS, 1), 0);
    });
    std::uint64_t refused = 0;
    const auto json = world_.status();
    for (const auto &count : json["counters"])
        if (count["hook"] == "setsockopt" && count["reason"] == "bypass") refused = count["packets"];
    EXPECT_GE(refused, 3u);
    ASSERT_EQ(world_.leakbpf({"detach"}).status, 0);
    EXPECT_EQ(pins(), none);
    world_.host().inside([&] {
        const Fd socket = packet_socket();
        EXPECT_EQ(setsockopt32(socket.get(), sol_packet, PACKET_QDISC_BYPASS, 1), 0);
    });
}

TEST_F(Guards, TheFollowerPutsThemBack) {
    attach();
    if (!alive("compat")) GTEST_SKIP() << "this kernel does not take the guard";
    ASSERT_TRUE(std::filesystem::remove(pin_of("guard-compat")));
    ASSERT_FALSE(alive("compat"));
    EXPECT_TRUE(eventually([&] { return alive("compat"); }, 30s));
}

TEST_F(Guards, SocketsAreLockedOnlyWhereAskedFor) {
    attach();
    if (!alive("sockets")) GTEST_SKIP() << "bpf is no active security module here";
    EXPECT_EQ(maker("anything", 0755, AF_PACKET), 0);
}

TEST_F(Guards, LockedSocketsAreForLinkProgramsOnly) {
    const Output attached = world_.attach({"eth0", "--gw", "198.51.100.7", "--lock-sockets"});
    if (attached.status == static_cast<int>(Exit::unsupported)) {
        EXPECT_THAT(attached.err, HasSubstr("lsm"));
        EXPECT_EQ(pins(), none); // nothing less than was asked for
        EXPECT_TRUE(world_.leaks());
        GTEST_SKIP() << "bpf is no active security module here";
    }
    ASSERT_EQ(attached.status, 0) << attached.err;
    EXPECT_EQ(maker("anything", 0755, AF_PACKET), EPERM);
    EXPECT_EQ(maker("anything", 0755, af_xdp), EPERM);
    EXPECT_EQ(maker("anything", 0755, AF_INET), EPROTONOSUPPORT); // raw sockets of IP are not its matter
    EXPECT_EQ(maker("dhclient", 0755, AF_PACKET), 0);
    EXPECT_EQ(maker("dhclient", 0775, AF_PACKET), EPERM); // others could have written it
    EXPECT_EQ(maker("tcpdump", 0755, AF_PACKET), EPERM);
    world_.host().inside([] { EXPECT_FALSE(packet_socket()); });
    world_.far().inside([] { EXPECT_TRUE(packet_socket()); });
    // Replaced as a whole.
    attach({"--lock-sockets", "--sockets-for", "tcpdump"});
    EXPECT_EQ(maker("tcpdump", 0755, AF_PACKET), 0);
    EXPECT_EQ(maker("anything", 0755, AF_PACKET), EPERM);
    EXPECT_EQ(world_.leakbpf({"status"}).status, 0);
    attach();
    EXPECT_EQ(maker("anything", 0755, AF_PACKET), 0);
    EXPECT_EQ(maker("tcpdump", 0755, AF_PACKET), 0);
}

TEST_F(Guards, LinksAreOursAlone) {
    attach({"--dns", "10.42.0.1", "--no-follow"});
    if (!alive("links")) GTEST_SKIP() << "bpf is no active security module here";
    ASSERT_TRUE(pin_of_prefix("gate-").empty());
    Background follower({leakbpf_binary(), "--cgroup-root", Sandbox::current().cgroup_root(), "--bpffs",
                         Sandbox::current().bpffs(), "follow"},
                        {.netns = world_.host().fd()}, Sandbox::current().dir() + "/follow.log");
    ASSERT_TRUE(eventually([] { return !pin_of_prefix("gate-").empty(); }, 30s));
    for (const char *name : {"cgroup-setsockopt", "cgroup-sock_create"}) {
        const auto link = lk::open_pin(pin_of(name));
        ASSERT_EQ(link.error, 0) << name;
        EXPECT_EQ(bpf_link_detach(link.fd.get()), -EPERM) << name;
        const auto info = lk::link_info(link.fd.get());
        ASSERT_TRUE(info);
        const Fd program(bpf_prog_get_fd_by_id(info->program_id));
        EXPECT_EQ(bpf_link_update(link.fd.get(), program.get(), nullptr), -EPERM) << name;
    }
    const std::string uplink = pin_of("uplink-" + std::to_string(world_.host().ifindex("eth0")));
    if (!uplink.empty()) { // tcx
        const auto link = lk::open_pin(uplink);
        EXPECT_EQ(bpf_link_detach(link.fd.get()), -EPERM);
    }
    EXPECT_EQ(world_.leakbpf({"status"}).status, 0);
    EXPECT_FALSE(world_.leaks());
    // Links of others are none of ours.
    const bpf_insn passes[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1}, {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
    const Fd program(bpf_prog_load(BPF_PROG_TYPE_CGROUP_SKB, "other", "GPL", passes, 2, nullptr));
    const Fd cgroup(::open(Sandbox::current().cgroup_root().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const Fd other(bpf_link_create(program.get(), cgroup.get(), BPF_CGROUP_INET_EGRESS, nullptr));
    ASSERT_TRUE(other) << strerror(errno);
    EXPECT_EQ(bpf_link_detach(other.get()), 0);
    // What was loaded after attach is known too: the second gate and a tunnel's programs, by the follower.
    world_.host().ip("tuntap add dev tun0 mode tun\nlink set tun0 up\naddr add 10.42.0.2/24 dev tun0");
    for (const char *prefix : {"gate-", "tunnelin-", "tunnelout-"}) {
        ASSERT_TRUE(eventually([&] { return !pin_of_prefix(prefix).empty(); }, 30s)) << prefix;
        const auto link = lk::open_pin(pin_of_prefix(prefix));
        ASSERT_EQ(link.error, 0) << prefix;
        if (prefix != std::string("gate-") && !kernel_has_tcx()) continue; // filters of clsact are no links
        EXPECT_EQ(bpf_link_detach(link.fd.get()), -EPERM) << prefix;
    }
    // leakbpf itself may, in parts and as a whole.
    world_.plug("eth1", 2);
    ASSERT_EQ(world_.attach({"eth1", "--gw", "198.51.100.7"}).status, 0);
    const Output part = world_.leakbpf({"detach", "eth1"});
    EXPECT_EQ(part.status, 0) << part.err;
    const Output whole = world_.leakbpf({"detach"});
    EXPECT_EQ(whole.status, 0) << whole.err;
    EXPECT_EQ(pins(), none);
    EXPECT_TRUE(world_.leaks());
}
