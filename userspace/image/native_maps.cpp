// SPDX-License-Identifier: MIT
#include "image/native_maps.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <string_view>
#include <type_traits>

namespace lk {
namespace {

constexpr std::uint32_t first_epoch = 1;

template <typename Key>
std::size_t hash_bytes(const Key &key) {
    static_assert(std::has_unique_object_representations_v<Key>, "padding would be hashed");
    return std::hash<std::string_view>{}({reinterpret_cast<const char *>(&key), sizeof key});
}

std::uint32_t set_id(std::size_t place) {
    return place == no_set ? 0 : static_cast<std::uint32_t>(place + 1);
}

lk_addr head_of(const lk_addr &address, std::uint32_t bits) {
    lk_addr head{};
    const auto *from = reinterpret_cast<const std::uint8_t *>(address.w);
    auto *to = reinterpret_cast<std::uint8_t *>(head.w);
    std::memcpy(to, from, bits / 8);
    if (bits % 8) to[bits / 8] = from[bits / 8] & static_cast<std::uint8_t>(0xff00u >> (bits % 8));
    return head;
}

NativeMaps &of(void *self) {
    return *static_cast<NativeMaps *>(self);
}

} // namespace

std::size_t NativeMaps::Hash::operator()(const lk_set_net &key) const {
    return hash_bytes(key);
}
std::size_t NativeMaps::Hash::operator()(const lk_set_port &key) const {
    return hash_bytes(key);
}
std::size_t NativeMaps::Hash::operator()(const lk_frag_key &key) const {
    return hash_bytes(key);
}

std::size_t NativeMaps::Hash::operator()(const lk_boot &key) const {
    return hash_bytes(key);
}

template <typename Key>
bool NativeMaps::Same::operator()(const Key &a, const Key &b) const {
    return std::memcmp(&a, &b, sizeof a) == 0;
}

template <typename Value>
void NativeMaps::Trie<Value>::add(std::uint32_t set, const Prefix &prefix, const Value &value) {
    if (lengths.size() < set) lengths.resize(set);
    auto &its = lengths[set - 1];
    const auto at = std::lower_bound(its.begin(), its.end(), prefix.mapped_length(), std::greater<>{});
    if (at == its.end() || *at != prefix.mapped_length()) its.insert(at, prefix.mapped_length());
    rows[lk_set_net{LK_SET_BITS + prefix.mapped_length(), set, prefix.address.abi()}] = value;
}

template <typename Value>
const Value *NativeMaps::Trie<Value>::longest(const lk_set_net &key) const {
    if (key.set == 0 || key.set > lengths.size()) return nullptr;
    for (const auto bits : lengths[key.set - 1]) {
        if (LK_SET_BITS + bits > key.prefix_bits) continue;
        const auto row = rows.find(lk_set_net{LK_SET_BITS + bits, key.set, head_of(key.addr, bits)});
        if (row != rows.end()) return &row->second;
    }
    return nullptr;
}

lk_gw NativeMaps::gateway(const GatewayRow &row) {
    lk_gw value{};
    value.any = row.any;
    for (const auto &endpoint : row.endpoints) {
        if (value.n_endpoints < LK_GW_ENDPOINTS) {
            value.endpoints[value.n_endpoints++] = {htons(endpoint.port), endpoint.protocol, endpoint.exact};
            continue;
        }
        if (value.port_set == 0) value.port_set = ++port_sets_;
        ports_[{value.port_set, htons(endpoint.port), endpoint.protocol, 0}] = 1 + endpoint.exact;
    }
    return value;
}

void NativeMaps::add_boot(std::uint32_t set, const BootstrapName &row) {
    lk_boot key{set, row.server.abi(), {}};
    boots_[key] = LK_BOOT_SERVER;
    const auto &name = row.name.wire();
    std::copy_n(name.begin(), std::min<std::size_t>(name.size(), LK_BOOT_NAME), key.name);
    boots_[key] = LK_BOOT_NAMED;
}

NativeMaps::NativeMaps(const MapImage &image) {
    std::vector<lk_gw_row> hosts;
    for (std::size_t i = 0; i < image.gateway_sets.size(); ++i) {
        const auto set = set_id(i);
        for (const auto &row : image.gateway_sets[i].hosts)
            hosts.push_back({{set, row.prefix.address.abi()}, gateway(row)});
        for (const auto &row : image.gateway_sets[i].nets)
            gateway_nets_.add(set, row.prefix, gateway(row));
        for (const auto &row : image.gateway_sets[i].bootstrap)
            add_boot(set, row);
    }
    hosts_ = lay_out(hosts).value();
    for (std::size_t i = 0; i < image.net_sets.size(); ++i)
        for (const auto &row : image.net_sets[i])
            nets_.add(set_id(i), row.prefix, row.flags);
    for (const auto &device : image.devices) {
        lk_dev record = device.record;
        record.epoch = first_epoch;
        record.net_set = set_id(device.net_set);
        record.policy.gw_set = set_id(device.gateway_set);
        record.policy.gw_bits = hosts_.bits;
        devices_[static_cast<int>(record.ifindex)] = record;
    }
    host_ = image.host;
    host_.epoch = first_epoch;
    host_.net_set = set_id(image.host_net_set);
    host_.policy.gw_set = set_id(image.host_gateway_set);
    host_.policy.gw_bits = hosts_.bits;

    maps_.self = this;
    maps_.gw_rows = hosts_.rows.data();
    maps_.gw_places = static_cast<__u32>(hosts_.rows.size());
    maps_.gw_net = [](void *self, const lk_set_net *key) { return of(self).gateway_nets_.longest(*key); };
    maps_.gw_port = [](void *self, const lk_set_port *key) -> const __u32 * {
        const auto row = of(self).ports_.find(*key);
        return row == of(self).ports_.end() ? nullptr : &row->second;
    };
    maps_.net = [](void *self, const lk_set_net *key) { return of(self).nets_.longest(*key); };
    maps_.boot = [](void *self, const lk_boot *key) -> const __u32 * {
        const auto row = of(self).boots_.find(*key);
        return row == of(self).boots_.end() ? nullptr : &row->second;
    };
    // Nobody has asked: what is judged here is what may be asked for, and not who is there.
    maps_.serve = [](void *, const lk_serve_net *) -> const __u32 * { return nullptr; };
    maps_.bucket = [](void *, __u32) -> void * { return nullptr; };
    maps_.frag = [](void *self, const lk_frag_key *key) -> lk_frag * {
        const auto row = of(self).frags_.find(*key);
        return row == of(self).frags_.end() ? nullptr : &row->second;
    };
    maps_.frag_put = [](void *self, const lk_frag_key *key, const lk_frag *value) {
        auto &maps = of(self);
        if (maps.frags_.insert_or_assign(*key, *value).second) maps.frag_order_.push_back(*key);
        if (maps.frags_.size() <= LK_FRAG_ENTRIES) return;
        maps.frags_.erase(maps.frag_order_.front());
        maps.frag_order_.pop_front();
    };
}

std::optional<lk_dev> NativeMaps::device(int ifindex) const {
    const auto record = devices_.find(ifindex);
    if (record == devices_.end()) return {};
    return record->second;
}

lk_host NativeMaps::host(std::uint64_t netns_cookie) const {
    lk_host host = host_;
    host.netns_cookie = netns_cookie;
    return host;
}

void NativeMaps::clear() {
    frags_.clear();
    frag_order_.clear();
}

} // namespace lk
