// SPDX-License-Identifier: MIT
#include "chaos/flows.h"

#include <sys/mman.h>
#include <time.h>

#include <stdexcept>

namespace lk::chaos {

namespace {

std::int64_t monotonic_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

} // namespace

const std::vector<Flow> &flows() {
    using harness::Ip;
    const auto both = [](std::vector<Flow> &all, const char *const(&names)[4], bool allowed, Path path,
                         const char *v4, const char *v6) {
        all.push_back({names[0], allowed, path, false, Ip::of(v4)});
        all.push_back({names[1], allowed, path, true, Ip::of(v4)});
        all.push_back({names[2], allowed, path, false, Ip::of(v6)});
        all.push_back({names[3], allowed, path, true, Ip::of(v6)});
    };
    static const std::vector<Flow> all = [&both] {
        std::vector<Flow> made;
        both(made, {"gateway udp4", "gateway syn4", "gateway udp6", "gateway syn6"}, true, Path::pinned,
             "198.51.100.7", "2001:db8:100::7");
        both(made, {"roaming udp4", "roaming syn4", "roaming udp6", "roaming syn6"}, true, Path::roaming,
             "198.51.100.8", "2001:db8:100::8");
        both(made, {"forbidden udp4", "forbidden syn4", "forbidden udp6", "forbidden syn6"}, false,
             Path::pinned, "203.0.113.10", "2001:db8:f::10");
        both(made,
             {"forbidden roaming udp4", "forbidden roaming syn4", "forbidden roaming udp6",
              "forbidden roaming syn6"},
             false, Path::roaming, "203.0.113.9", "2001:db8:f::9");
        return made;
    }();
    return all;
}

Ledger::Ledger() : began_ns_(monotonic_ns()) {
    bytes_ = sizeof(Shared) + flows().size() * capacity * sizeof(Packet);
    void *memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
                        -1, 0); // only what is written takes room
    if (memory == MAP_FAILED) throw std::runtime_error("no memory for the ledger");
    shared_ = static_cast<Shared *>(memory);
    packets_ = reinterpret_cast<Packet *>(static_cast<char *>(memory) + sizeof(Shared));
}

Ledger::~Ledger() {
    munmap(shared_, bytes_);
}

Micros Ledger::now() const {
    return static_cast<Micros>((monotonic_ns() - began_ns_) / 1000) + 1;
}

} // namespace lk::chaos
