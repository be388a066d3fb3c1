// SPDX-License-Identifier: MIT
#include "kernel/gateway_tables.h"

#include <bpf/bpf.h>

#include <cerrno>
#include <cstring>
#include <numeric>

#include "kernel/sys.h"

namespace lk {

namespace {

constexpr MapShape outer_shape{"lk_gw", BPF_MAP_TYPE_ARRAY_OF_MAPS, sizeof(__u32), sizeof(__u32),
                               LK_GW_TABLES};

MapShape table_shape(std::size_t places) {
    return {"lk_gw_table", BPF_MAP_TYPE_ARRAY, sizeof(__u32), sizeof(lk_gw_row),
            static_cast<std::uint32_t>(places)};
}

} // namespace

Result<GatewayTables> GatewayTables::open(const std::string &directory) {
    auto outer = RawMap::open(directory + "/" + outer_shape.name, outer_shape);
    if (!outer) return outer.error();
    return GatewayTables{std::move(*outer)};
}

std::optional<std::uint8_t> GatewayTables::free_number() const {
    for (std::uint8_t number = 0; number < LK_GW_TABLES; ++number) {
        const __u32 key = number;
        __u32 id = 0;
        if (!outer_.lookup(&key, &id) && errno == ENOENT) return number;
    }
    return {};
}

Result<void> GatewayTables::put(std::uint8_t number, const GatewayTable &table) const {
    auto map = RawMap::create(table_shape(table.rows.size()), BPF_F_INNER_MAP);
    if (!map) return map.error();
    std::vector<__u32> places;
    std::vector<lk_gw_row> rows;
    for (std::size_t place = 0; place < table.rows.size(); ++place) {
        if (table.rows[place].key.set == 0) continue;
        places.push_back(static_cast<__u32>(place));
        rows.push_back(table.rows[place]);
    }
    if (auto written = map->put_all(places.data(), rows.data(), rows.size()); !written) return written;
    const __u32 key = number, fd = static_cast<__u32>(map->fd());
    return outer_.put(&key, &fd);
}

Result<void> GatewayTables::drop(std::uint8_t number) const {
    const __u32 key = number;
    __u32 id = 0;
    // Before Linux 6.8 a removal waits for running programs even where there is nothing.
    if (!outer_.lookup(&key, &id) && errno == ENOENT) return {};
    return outer_.erase_all(&key, 1);
}

Result<void>
GatewayTables::for_each(const std::function<void(std::uint8_t, const lk_gw_row &)> &visit) const {
    for (std::uint8_t number = 0; number < LK_GW_TABLES; ++number) {
        const __u32 key = number;
        __u32 id = 0;
        if (!outer_.lookup(&key, &id)) continue;
        auto table = RawMap::open_by_id(id, table_shape(0));
        if (!table) return table.error();
        auto read = table->for_each([&](const void *, const void *value) {
            lk_gw_row row{};
            std::memcpy(&row, value, sizeof(row));
            if (row.key.set != 0) visit(number, row);
        });
        if (!read) return read;
    }
    return {};
}

} // namespace lk
