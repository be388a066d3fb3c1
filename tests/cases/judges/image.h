// SPDX-License-Identifier: MIT
// World -> (Document, Topology) -> MapImage -> rows: the one place where the product's own builder is asked
// to encode a case, for the judges that read rows. The model must not include this.
#pragma once

#include <cstdint>
#include <optional>

#include "cases/world.h"
#include "image/gateway_table.h"
#include "image/map_image.h"
#include "kernel/rows.h"

namespace lk {

struct Surrounded {
    Document document;
    Topology topology;
};

constexpr int case_ifindex = 10; // of the guarded device

Surrounded surroundings(const World &world);

struct Encoded {
    Rows rows;
    GatewayTable table;           // of rows.gw
    std::optional<lk_dev> device; // without ifindex and epoch; none: no record
};
// Set ids start at first_id; next_id is told in return.
Encoded encode(const World &world, std::uint32_t &next_id);

} // namespace lk
