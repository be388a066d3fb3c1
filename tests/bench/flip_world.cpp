// SPDX-License-Identifier: MIT
#include "bench/flip_world.h"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <stdexcept>

#include "base/fd.h"
#include "harness/process.h"
#include "harness/sandbox.h"
#include "kernel/pins.h"
#include "net/netns.h"

namespace lk::bench {

using namespace std::chrono_literals;

namespace {

constexpr auto patience = 10s;

} // namespace

FlipWorld::FlipWorld(unsigned devices, unsigned gateways)
    : far_("lk-flip-far"), host_("lk-flip-host"), devices_(devices), gateways_(gateways) {
    for (const harness::Netns *netns : {&far_, &host_})
        netns->sysctl("ipv6/conf/default/disable_ipv6", "1"); // a thousand devices are slow enough to make
    std::string lines, peers;
    for (unsigned i = 0; i < devices; ++i) {
        lines += fmt::format("link add {0} type veth peer name far{1} netns {2}\nlink set {0} up\n"
                             "addr add 10.{3}.{4}.1/24 dev {0}\n",
                             device(i), i, far_.name(), 16 + i / 256, i % 256);
        peers += fmt::format("link set far{} up\n", i);
    }
    host_.ip(lines + "route add default via 10.16.0.2");
    far_.ip(peers);
    place_.bpffs = harness::Sandbox::current().bpffs();
    place_.cgroup_root = harness::Sandbox::current().cgroup_root();
    host_.inside([this] {
        const auto cookie = netns_cookie();
        if (!cookie) throw std::runtime_error(cookie.error().message);
        place_.netns_cookie = *cookie;
    });
}

FlipWorld::~FlipWorld() {
    harness::leakbpf(host_.fd(), {"detach", "--all"}, 60s);
}

std::vector<std::string> FlipWorld::gateways(unsigned gateways, unsigned variant) {
    std::vector<std::string> all;
    for (unsigned i = 0; i + 1 < gateways; ++i)
        all.push_back(fmt::format("198.{}.{}.{}", 18 + i / 65536, i / 256 % 256, i % 256));
    all.push_back(fmt::format("203.0.113.{}", variant % 256));
    return all;
}

void FlipWorld::attach(bool follow) {
    std::vector<std::string> words{"attach"};
    for (unsigned i = 0; i < devices_; ++i)
        words.push_back(device(i));
    for (const std::string &gateway : gateways(gateways_, 0))
        words.insert(words.end(), {"--gw", gateway});
    if (!follow) words.push_back("--no-follow");
    const harness::Output done = harness::leakbpf(host_.fd(), words, 120s);
    if (done.status != 0) throw std::runtime_error("leakbpf attach: " + done.err);
}

int FlipWorld::make_spare() {
    if (host_.ifindex("spare") != 0) host_.ip("link del spare");
    host_.ip(fmt::format("link add spare type veth peer name rapes netns {}\nlink set spare up\n"
                         "addr add 10.99.0.1/24 dev spare",
                         far_.name()));
    return host_.ifindex("spare");
}

WordWatch::WordWatch(const Place &place) {
    const Fd map{bpf_obj_get((Pins{place.directory()}.maps() + "/lk_word").c_str())};
    const auto bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    void *memory = map ? mmap(nullptr, bytes, PROT_READ, MAP_SHARED, map.get(), 0) : MAP_FAILED;
    if (memory == MAP_FAILED) throw std::runtime_error("the word cannot be read");
    word_ = static_cast<const volatile std::uint32_t *>(memory);
    thread_ = std::thread([this] { watch(); });
}

WordWatch::~WordWatch() {
    ended_ = true;
    thread_.join();
}

void WordWatch::arm() {
    before_ = *word_;
    armed_ = true;
}

void WordWatch::watch() {
    while (!ended_) {
        if (!armed_) {
            std::this_thread::sleep_for(50us);
        } else if (*word_ != before_) {
            when_ = Clock::now();
            armed_ = false;
        }
    }
}

Clock::time_point WordWatch::changed() const {
    const auto until = Clock::now() + patience;
    while (armed_) {
        if (Clock::now() > until) throw std::runtime_error("the epoch did not change");
        std::this_thread::sleep_for(100us);
    }
    return when_;
}

} // namespace lk::bench
