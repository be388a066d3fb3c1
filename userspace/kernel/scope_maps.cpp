// SPDX-License-Identifier: MIT
#include "kernel/scope_maps.h"

#include <algorithm>
#include <cstring>
#include <set>

namespace lk {

namespace {

std::vector<lk_set_addr> host_keys(const Rows &rows) {
    std::vector<lk_set_addr> keys;
    for (const lk_gw_row &row : rows.gw)
        keys.push_back(row.key);
    return keys;
}

std::uint32_t page_count(std::size_t bytes) {
    return static_cast<std::uint32_t>((bytes + LK_SCOPE_PAGE_BYTES - 1) / LK_SCOPE_PAGE_BYTES);
}

// Erases the entries of MAP whose key is not KEPT.
template <typename Key, typename Value, typename Kept>
Result<void> keep_only(const Map<Key, Value> &map, const Kept &kept) {
    std::vector<Key> gone;
    auto read = map.for_each([&](const Key &key, const Value &) {
        if (!kept(key)) gone.push_back(key);
    });
    if (!read) return read;
    return map.erase_all(gone);
}

} // namespace

Result<ScopeMaps> ScopeMaps::open(const std::string &directory) {
    auto word = Map<__u32, lk_scope_word>::open(directory, "lk_scope_word", BPF_MAP_TYPE_ARRAY, 1);
    if (!word) return word.error();
    auto rows = Map<__u64, lk_scope_row>::open(directory, "lk_scope_rows", BPF_MAP_TYPE_HASH, LK_SCOPE_ROWS);
    if (!rows) return rows.error();
    auto scopes = Map<__u32, lk_scope>::open(directory, "lk_scopes", BPF_MAP_TYPE_ARRAY, LK_SCOPES);
    if (!scopes) return scopes.error();
    auto gw = Map<lk_set_addr, lk_gw>::open(directory, "lk_scope_gw", BPF_MAP_TYPE_HASH);
    if (!gw) return gw.error();
    auto gw_net = Map<lk_set_net, lk_gw>::open(directory, "lk_scope_gwnet", BPF_MAP_TYPE_LPM_TRIE);
    if (!gw_net) return gw_net.error();
    auto gw_port = Map<lk_set_port, __u32>::open(directory, "lk_scope_port", BPF_MAP_TYPE_HASH);
    if (!gw_port) return gw_port.error();
    auto net = Map<lk_set_net, __u32>::open(directory, "lk_scope_net", BPF_MAP_TYPE_LPM_TRIE);
    if (!net) return net.error();
    auto pages = Map<lk_scope_page_key, lk_scope_page>::open(directory, "lk_scope_pages", BPF_MAP_TYPE_HASH,
                                                             LK_SCOPE_PAGES);
    if (!pages) return pages.error();
    return ScopeMaps{*std::move(word),   *std::move(rows),    *std::move(scopes), *std::move(gw),
                     *std::move(gw_net), *std::move(gw_port), *std::move(net),    *std::move(pages)};
}

lk_scope_word ScopeMaps::state() const {
    lk_scope_word value{};
    word.lookup(0, value);
    return value;
}

Result<void> ScopeMaps::write_rows(const Rows &all) const {
    // What is looked up last is written first.
    if (auto put = gw_port.put_all(all.gw_port_keys, all.gw_port_values); !put) return put;
    if (auto put = gw_net.put_all(all.gw_net_keys, all.gw_net_values); !put) return put;
    if (auto put = net.put_all(all.net_keys, all.net_values); !put) return put;
    std::vector<lk_gw> values;
    for (const lk_gw_row &row : all.gw)
        values.push_back(row.gw);
    return gw.put_all(host_keys(all), values);
}

Result<void> ScopeMaps::erase_rows(const Rows &all) const {
    if (auto erased = gw.erase_all(host_keys(all)); !erased) return erased;
    if (auto erased = gw_net.erase_all(all.gw_net_keys); !erased) return erased;
    if (auto erased = net.erase_all(all.net_keys); !erased) return erased;
    return gw_port.erase_all(all.gw_port_keys);
}

Result<void> ScopeMaps::write_text(std::uint64_t cgroup_id, const std::string &text) const {
    if (auto erased = erase_text(cgroup_id); !erased) return erased;
    for (std::uint32_t number = 0; number < page_count(text.size()); ++number) {
        lk_scope_page page{};
        page.total = static_cast<__u32>(text.size());
        const auto at = std::size_t{number} * LK_SCOPE_PAGE_BYTES;
        std::memcpy(page.text, text.data() + at,
                    std::min<std::size_t>(text.size() - at, LK_SCOPE_PAGE_BYTES));
        if (auto put = pages.put({cgroup_id, number, 0}, page); !put) return put;
    }
    return {};
}

Result<void> ScopeMaps::erase_text(std::uint64_t cgroup_id) const {
    lk_scope_page first{};
    if (!pages.lookup({cgroup_id, 0, 0}, first)) return {};
    std::vector<lk_scope_page_key> keys;
    for (std::uint32_t number = 0; number < page_count(first.total); ++number)
        keys.push_back({cgroup_id, number, 0});
    return pages.erase_all(keys);
}

std::string ScopeMaps::text(std::uint64_t cgroup_id) const {
    std::string text;
    lk_scope_page page{};
    for (std::uint32_t number = 0; number == 0 || text.size() < page.total; ++number) {
        if (!pages.lookup({cgroup_id, number, 0}, page)) return "";
        text.append(page.text, std::min<std::size_t>(page.total - text.size(), LK_SCOPE_PAGE_BYTES));
    }
    return text;
}

Result<void> ScopeMaps::sweep() const {
    std::set<std::uint32_t> slots;
    std::set<std::uint64_t> cgroups;
    auto read = rows.for_each([&](const __u64 &cgroup, const lk_scope_row &row) {
        cgroups.insert(cgroup);
        slots.insert(row.slot);
    });
    if (!read) return read;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> ids; // first, number of them
    std::vector<std::uint32_t> free;
    read = scopes.for_each([&](const __u32 &slot, const lk_scope &scope) {
        if (scope.cgroup_id == 0) return; // free, or all zero and nobody's
        if (slots.contains(slot))
            ids.emplace_back(scope.id, scope.n_ids);
        else
            free.push_back(slot);
    });
    if (!read) return read;
    std::ranges::sort(ids);
    for (const auto slot : free)
        if (auto put = scopes.put(slot, lk_scope{}); !put) return put;
    auto now = state();
    now.used = static_cast<__u32>(ids.size());
    if (auto put = word.put(0, now); !put) return put;
    // One policy's ids follow each other.
    const auto kept = [&](const auto &key) {
        const auto after = std::ranges::upper_bound(ids, std::pair{key.set, UINT32_MAX});
        return after != ids.begin() && key.set - std::prev(after)->first < std::prev(after)->second;
    };
    if (auto done = keep_only(gw, kept); !done) return done;
    if (auto done = keep_only(gw_net, kept); !done) return done;
    if (auto done = keep_only(net, kept); !done) return done;
    if (auto done = keep_only(gw_port, kept); !done) return done;
    return keep_only(pages, [&](const lk_scope_page_key &key) { return cgroups.contains(key.cgroup_id); });
}

} // namespace lk
