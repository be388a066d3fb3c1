// SPDX-License-Identifier: MIT
#include "kernel/commit.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <string_view>

#include "kernel/grace.h"
#include "kernel/swept_mark.h"

namespace lk {

namespace {

std::size_t mix(std::size_t seed, std::size_t value) {
    return (seed ^ value) * 0x9e3779b97f4a7c15 + (seed >> 29);
}

std::size_t hash(const Prefix &prefix) {
    const auto &bytes = prefix.address.bytes();
    return mix(std::hash<std::string_view>{}({reinterpret_cast<const char *>(bytes.data()), bytes.size()}),
               prefix.length);
}

// Only finds candidates, which are then compared: endpoints need not be in it.
std::size_t hash(const GatewaySet &set) {
    std::size_t seed = mix(set.hosts.size(), set.nets.size());
    for (const auto &row : set.hosts)
        seed = mix(seed, hash(row.prefix));
    for (const auto &row : set.nets)
        seed = mix(seed, hash(row.prefix));
    return seed;
}

std::size_t hash(const NetSet &set) {
    std::size_t seed = set.size();
    for (const auto &row : set)
        seed = mix(seed, mix(hash(row.prefix), row.flags));
    return seed;
}

Result<void> write_rows(const KernelMaps &maps, const Rows &rows) {
    // What is looked up last is written first: a row never names a port set that is not there.
    if (auto put = maps.gw_port.put_all(rows.gw_port_keys, rows.gw_port_values); !put) return put;
    if (auto put = maps.gw_net.put_all(rows.gw_net_keys, rows.gw_net_values); !put) return put;
    if (auto put = maps.boots.put_all(rows.boot_keys, rows.boot_values); !put) return put;
    if (auto put = maps.serves.put_all(rows.serve_keys, rows.serve_values); !put) return put;
    return maps.net.put_all(rows.net_keys, rows.net_values);
}

Result<void> erase_rows(const KernelMaps &maps, const Rows &rows) {
    if (auto erased = maps.gw_net.erase_all(rows.gw_net_keys); !erased) return erased;
    if (auto erased = maps.gw_port.erase_all(rows.gw_port_keys); !erased) return erased;
    if (auto erased = maps.boots.erase_all(rows.boot_keys); !erased) return erased;
    if (auto erased = maps.serves.erase_all(rows.serve_keys); !erased) return erased;
    return maps.net.erase_all(rows.net_keys);
}

Result<void> write_devices(const KernelMaps &maps, std::uint32_t half, const std::vector<lk_dev> &devices) {
    std::vector<__u32> keys;
    for (__u32 slot = 0; slot < LK_DEV_SLOTS; ++slot)
        keys.push_back(half * LK_DEV_SLOTS + slot);
    return maps.devs.put_all(keys, devices);
}

} // namespace

template <typename Set>
const typename SetMemory<Set>::Entry *SetMemory<Set>::find(const Set &set) const {
    const auto [begin, end] = by_hash_.equal_range(hash(set));
    for (auto it = begin; it != end; ++it)
        if (*entries_[it->second].set == set) return &entries_[it->second];
    return nullptr;
}

template <typename Set>
void SetMemory<Set>::add(Entry entry) {
    by_hash_.emplace(hash(*entry.set), entries_.size());
    entries_.push_back(std::move(entry));
}

// Everything that a commit will write, made before anything is written.
struct Committer::Plan {
    SetMemory<GatewaySet> gateways;
    SetMemory<NetSet> nets;
    Rows rows; // of the sets that are new; gateways with a full-length prefix are in NEW_TABLE
    std::optional<TableInForce> table;
    GatewayTable new_table; // the table of all sets, if one of them is new or gone; else empty
    std::uint32_t next_id = 0;
    std::vector<lk_dev> devices; // the whole half, free slots zero
    lk_host host{};

    Result<void> lay_out_gateways(const KernelMaps &maps, const Committer &known);
    void point(lk_policy &policy, std::uint32_t gateway_set) const;
};

Result<Committer::Plan> Committer::plan(const KernelMaps &maps, const MapImage &image,
                                        std::uint32_t epoch) const {
    Plan plan;
    plan.next_id = std::max(maps.next_id(), 1u);
    const auto fresh_id = [&] { return plan.next_id++; };
    std::vector<std::uint32_t> gateway_ids, net_ids;
    for (const auto &set : image.gateway_sets) {
        if (const auto *twin = plan.gateways.find(set)) { // the same set twice in one image
            gateway_ids.push_back(twin->id);
            continue;
        }
        const auto *known = gateways_.find(set);
        SetMemory<GatewaySet>::Entry entry;
        if (known)
            entry = *known;
        else
            entry = {std::make_shared<const GatewaySet>(set), fresh_id(), {}};
        if (!known) plan.rows.add(set, entry.id, [&] { return entry.inner_ids.emplace_back(fresh_id()); });
        gateway_ids.push_back(entry.id);
        plan.gateways.add(std::move(entry));
    }
    for (const auto &set : image.net_sets) {
        if (const auto *twin = plan.nets.find(set)) {
            net_ids.push_back(twin->id);
            continue;
        }
        const auto *known = nets_.find(set);
        SetMemory<NetSet>::Entry entry;
        if (known)
            entry = *known;
        else
            entry = {std::make_shared<const NetSet>(set), fresh_id(), {}};
        if (!known) plan.rows.add(set, entry.id);
        net_ids.push_back(entry.id);
        plan.nets.add(std::move(entry));
    }
    if (auto laid = plan.lay_out_gateways(maps, *this); !laid) return laid.error();
    const auto id_of = [](const std::vector<std::uint32_t> &ids, std::size_t index) {
        return index == no_set ? 0u : ids.at(index);
    };
    plan.devices.resize(LK_DEV_SLOTS);
    const auto slots = place_devices(image.devices);
    for (std::size_t i = 0; i < image.devices.size(); ++i) {
        const auto &row = image.devices[i];
        auto &record = plan.devices[slots.at(i)];
        record = row.record;
        record.epoch = epoch;
        record.net_set = id_of(net_ids, row.net_set);
        plan.point(record.policy, id_of(gateway_ids, row.gateway_set));
    }
    plan.host = image.host;
    plan.host.epoch = epoch;
    plan.host.net_set = id_of(net_ids, image.host_net_set);
    plan.point(plan.host.policy, id_of(gateway_ids, image.host_gateway_set));
    return plan;
}

// The table in force goes on if it holds just these sets.
Result<void> Committer::Plan::lay_out_gateways(const KernelMaps &maps, const Committer &known) {
    const auto &before = known.gateways_.entries();
    const bool same = before.size() == gateways.entries().size() &&
                      std::all_of(before.begin(), before.end(),
                                  [&](const auto &entry) { return gateways.find(*entry.set) != nullptr; });
    if (same) {
        table = known.table_;
        return {};
    }
    Rows all;
    for (const auto &entry : gateways.entries()) {
        auto next = entry.inner_ids.begin();
        all.add(*entry.set, entry.id, [&] { return *next++; });
    }
    auto laid = lay_out(all.gw);
    if (!laid)
        return failure(fmt::format("{} gateways do not fit into the kernel's table (at most {} places): give "
                                   "fewer of them, or prefixes",
                                   all.gw.size(), LK_GW_PLACES(LK_GW_MAX_BITS)));
    if (laid->rows.empty()) return {};
    const auto number = maps.gw.free_number();
    if (!number) return failure("the kernel's map lk_gw has no room for another table of gateways");
    table = TableInForce{*number, laid->bits};
    new_table = std::move(*laid);
    return {};
}

void Committer::Plan::point(lk_policy &policy, std::uint32_t gateway_set) const {
    policy.gw_set = gateway_set;
    policy.gw_table = table ? table->number : 0;
    policy.gw_bits = table ? table->bits : 0;
}

Result<void> Committer::recover(const KernelMaps &maps, const Pins &pins) {
    epoch_ = 0;
    gateways_ = {};
    nets_ = {};
    table_.reset();
    // An older build keeps no note, and may have died with a table of its own in place.
    if (is_swept(pins, maps.epoch(), maps.next_id()) && maps.gw.free_number()) return {};
    // Whoever flipped the word last may have died before the grace period was over. Before the first flip
    // there is nobody to wait for, but without a way to wait there would be no second one.
    if (!(maps.epoch() == 0 ? can_wait_grace_period() : wait_grace_period()))
        return unsupported(
            "this kernel offers no way to wait for running BPF programs (membarrier and maps of "
            "maps both failed), so a policy cannot be replaced safely");
    return sweep(maps);
}

bool Committer::erase_old(const KernelMaps &maps, const Plan &plan) const {
    Rows old;
    for (const auto &entry : gateways_.entries()) {
        if (plan.gateways.find(*entry.set)) continue;
        auto next = entry.inner_ids.begin();
        old.add(*entry.set, entry.id, [&] { return *next++; });
    }
    for (const auto &entry : nets_.entries())
        if (!plan.nets.find(*entry.set)) old.add(*entry.set, entry.id);
    if (table_ && (!plan.table || plan.table->number != table_->number) && !maps.gw.drop(table_->number))
        return false;
    return erase_rows(maps, old).has_value();
}

Result<std::uint32_t> Committer::commit(const KernelMaps &maps, const Pins &pins, std::uint64_t netns_cookie,
                                        const MapImage &image, const std::string &document_json) {
    if (!image.devices.empty() && place_devices(image.devices).empty())
        return failure(
            fmt::format("{} uplinks do not fit into the kernel's table (at most {}, and at most {} "
                        "whose ifindex is the same modulo {}): detach some",
                        image.devices.size(), LK_DEV_SLOTS, LK_DEV_PROBES, LK_DEV_SLOTS));
    const auto current = maps.epoch();
    // Whoever wrote rows and a table and died before the flip has spent ids.
    const bool knew = epoch_ != 0 && epoch_ == current && next_id_ == maps.next_id();
    if (!knew)
        if (auto recovered = recover(maps, pins); !recovered) return recovered.error();
    // Odd and even epochs have halves of their own; 0 means none, and after the largest comes an even one.
    const std::uint32_t epoch = current == UINT32_MAX ? 2 : current + 1;
    auto planned = this->plan(maps, image, epoch);
    if (!planned) return planned.error();
    auto &plan = *planned;
    plan.host.netns_cookie = netns_cookie;
    if (plan.next_id < maps.next_id())
        return failure("the ids of row sets are used up: detach everything and attach again");

    if (auto forgotten = forget_swept(pins); !forgotten) return forgotten.error();
    // The ids are spent before the first row is written, so that no crash makes anybody use them again.
    maps.set_next_id(plan.next_id);
    next_id_ = plan.next_id;
    auto written = write_rows(maps, plan.rows);
    if (written && !plan.new_table.rows.empty()) written = maps.gw.put(plan.table->number, plan.new_table);
    if (written) written = write_document(pins, epoch, document_json);
    if (written) written = write_devices(maps, epoch % 2, plan.devices);
    if (written) written = maps.hosts.put(epoch % 2, plan.host);
    if (!written) {
        epoch_ = 0; // if the cleaning fails too, the next commit does it
        (void)sweep(maps);
        (void)remove_other_documents(pins, current);
        return written.error();
    }
    maps.set_epoch(epoch);

    // The new policy holds whatever happens from here on: what stays is swept by the next commit, which then
    // trusts no memory.
    epoch_ = epoch;
    bool erased = true;
    if (current != 0)
        erased = wait_grace_period() && (knew ? erase_old(maps, plan) : sweep(maps).has_value());
    if (erased)
        (void)note_swept(pins, epoch, plan.next_id);
    else
        epoch_ = 0;
    gateways_ = std::move(plan.gateways);
    nets_ = std::move(plan.nets);
    table_ = plan.table;
    (void)remove_other_documents(pins, epoch);
    return epoch;
}

template class SetMemory<GatewaySet>;
template class SetMemory<NetSet>;

} // namespace lk
