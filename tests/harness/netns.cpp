// SPDX-License-Identifier: MIT
#include "harness/netns.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include <fmt/format.h>

#include "harness/process.h"
#include "harness/sandbox.h"

namespace lk::harness {

namespace {

[[noreturn]] void fail(const std::string &what) {
    throw std::runtime_error(fmt::format("{}: {}", what, strerror(errno)));
}

Fd own_netns() {
    return Fd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
}

} // namespace

void bring_up(const std::string &device) {
    Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    strncpy(request.ifr_name, device.c_str(), IFNAMSIZ - 1);
    if (ioctl(fd.get(), SIOCGIFFLAGS, &request) < 0) fail("flags of " + device);
    request.ifr_flags |= IFF_UP;
    if (ioctl(fd.get(), SIOCSIFFLAGS, &request) < 0) fail("raising " + device);
}

Netns::Netns(std::string name) : name_(std::move(name)) {
    Sandbox::current(); // never outside
    Fd before = own_netns();
    Fd(open(path().c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444));
    if (unshare(CLONE_NEWNET) < 0) fail("a new network namespace");
    if (mount("/proc/thread-self/ns/net", path().c_str(), "none", MS_BIND, nullptr) < 0) fail(path());
    fd_ = own_netns();
    bring_up("lo");
    if (setns(before.get(), CLONE_NEWNET) < 0) fail("going back to the network namespace");
    for (const char *which : {"all", "default"}) {
        sysctl(fmt::format("ipv6/conf/{}/accept_dad", which), "0");
        sysctl(fmt::format("ipv6/conf/{}/accept_ra", which), "0");
        sysctl(fmt::format("ipv6/conf/{}/router_solicitations", which), "0");
    }
}

Netns::~Netns() {
    umount2(path().c_str(), MNT_DETACH);
    unlink(path().c_str());
}

void Netns::inside(const std::function<void()> &body) const {
    Fd before = own_netns();
    if (setns(fd_.get(), CLONE_NEWNET) < 0) fail("entering " + name_);
    struct Back {
        int fd;
        ~Back() {
            if (setns(fd, CLONE_NEWNET) < 0) std::terminate();
        }
    } back{before.get()};
    body();
}

void Netns::ip(const std::string &lines) const {
    Output output = run({"ip", "-force", "-batch", "-"}, {.netns = fd_.get(), .input = lines + "\n"});
    if (output.status != 0)
        throw std::runtime_error(fmt::format("ip in {}: {}\n{}", name_, output.err, lines));
}

void Netns::sysctl(const std::string &key, const std::string &value) const {
    inside([&] {
        std::ofstream file("/proc/sys/net/" + key);
        file << value << std::flush;
        if (!file) fail(fmt::format("sysctl net/{} = {} in {}", key, value, name_));
    });
}

void Netns::switch_off_bridge_netfilter() const {
    for (const char *key : {"bridge/bridge-nf-call-arptables", "bridge/bridge-nf-call-iptables",
                            "bridge/bridge-nf-call-ip6tables"})
        if (std::filesystem::exists(std::string("/proc/sys/net/") + key)) sysctl(key, "0");
}

int Netns::ifindex(const std::string &device) const {
    int index = 0;
    inside([&] { index = static_cast<int>(if_nametoindex(device.c_str())); });
    return index;
}

std::string Netns::mac(const std::string &device) const {
    ifreq request{};
    strncpy(request.ifr_name, device.c_str(), IFNAMSIZ - 1);
    inside([&] {
        Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        if (ioctl(fd.get(), SIOCGIFHWADDR, &request) < 0) fail("address of " + device);
    });
    return std::string(request.ifr_hwaddr.sa_data, 6);
}

} // namespace lk::harness
