// SPDX-License-Identifier: MIT
#include "control/query_judge.h"

#include <algorithm>

#include "base/boot_clock.h"
#include "image/native_maps.h"

namespace lk {

namespace {

constexpr std::uint16_t any_port = 40000;

std::string be16(std::size_t value) {
    return {static_cast<char>(value >> 8), static_cast<char>(value)};
}

std::string bytes_of(const Address &address) {
    const auto &all = address.bytes();
    return {all.begin() + (address.is_v4() ? 12 : 0), all.end()};
}

// Checksums are left out: the decision code does not read them.
std::string packet(const Address &source, const Resolver &server, const std::string &message) {
    const std::string udp = be16(any_port) + be16(server.port) + be16(8 + message.size()) + be16(0) + message;
    if (source.is_v4())
        return "\x45" + std::string(1, '\0') + be16(20 + udp.size()) + std::string(4, '\0') + "\x40\x11" +
               be16(0) + bytes_of(source) + bytes_of(server.address) + udp;
    return "\x60" + std::string(3, '\0') + be16(udp.size()) + "\x11\x40" + bytes_of(source) +
           bytes_of(server.address) + udp;
}

bool is_daemon(const lk_policy &policy, const Asker &asker) {
    const auto *uids_end = policy.uids + policy.n_uids;
    if (asker.uid && std::find(policy.uids, uids_end, *asker.uid) != uids_end) return true;
    return asker.cgroup_id != 0 &&
           std::any_of(policy.cgroups, policy.cgroups + policy.n_cgroups,
                       [&](const lk_cgroup &cgroup) { return cgroup.id == asker.cgroup_id; });
}

} // namespace

std::optional<QueryVerdict> judge_query(const MapImage &image, const Topology &topology, const Asker &asker,
                                        const Address &source, const Resolver &server,
                                        const DnsQuery &query) {
    if (source.is_v4() != server.address.is_v4()) return {};
    const auto uplink = std::ranges::find_if(image.devices, [&](const DeviceRow &row) {
        return std::ranges::count(reach(topology, static_cast<int>(row.record.ifindex)).own, source) > 0;
    });
    if (uplink == image.devices.end()) return {};
    NativeMaps maps(image);
    maps.set_now(boot_clock_ns());
    const auto device = maps.device(static_cast<int>(uplink->record.ifindex));
    if (!device) return {};
    std::string frame = packet(source, server, to_wire(query));
    if (!(device->flags & LK_DEV_L3))
        frame = std::string(12, '\2') + be16(source.is_v4() ? 0x0800 : 0x86dd) + frame;
    const lk_native_sender sender{
        .vpn_daemon = is_daemon(device->policy, asker), .forwarded = 0, .fwmark = asker.fwmark};
    const auto answer =
        lk_native_judge(maps.maps(), &*device, &sender, frame.data(), static_cast<__u32>(frame.size()));
    return QueryVerdict{answer.verdict, answer.reason, uplink->name};
}

} // namespace lk
