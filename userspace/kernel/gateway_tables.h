// SPDX-License-Identifier: MIT
// The map lk_gw: two places for tables of gateways. Lays nothing out; which table is in force is the commit's
// to know.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "image/gateway_table.h"
#include "kernel/map.h"

namespace lk {

class GatewayTables {
  public:
    static Result<GatewayTables> open(const std::string &directory);

    // A number that has no table now; none if all have one.
    std::optional<std::uint8_t> free_number() const;
    // Makes a map of TABLE's own size, fills it and puts it under NUMBER: nobody ever sees a table
    // half-written.
    Result<void> put(std::uint8_t number, const GatewayTable &table) const;
    // The kernel frees a table when the last program that may look into it has ended. No error if there is
    // none.
    Result<void> drop(std::uint8_t number) const;
    // Rows of all tables, free places left out.
    Result<void> for_each(const std::function<void(std::uint8_t number, const lk_gw_row &row)> &visit) const;

  private:
    explicit GatewayTables(RawMap outer) : outer_(std::move(outer)) {}
    RawMap outer_;
};

} // namespace lk
