// SPDX-License-Identifier: MIT
// Writes a MapImage into the maps and flips the word. Owns what this process knows of the sets in force, so
// that sets which did not change are not written again. Pins and attaches nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "image/map_image.h"
#include "kernel/document_store.h"
#include "kernel/kernel_maps.h"
#include "kernel/rows.h"

namespace lk {

// Sets of one kind with the id they were written under, found by content.
template <typename Set>
class SetMemory {
  public:
    struct Entry {
        std::shared_ptr<const Set> set; // shared from commit to commit: it may be large
        std::uint32_t id = 0;
        std::vector<std::uint32_t> inner_ids; // port sets, in the order in which Rows::add asked for them
    };
    const Entry *find(const Set &set) const;
    void add(Entry entry);
    const std::vector<Entry> &entries() const { return entries_; }

  private:
    std::vector<Entry> entries_;
    std::unordered_multimap<std::size_t, std::size_t> by_hash_; // index into entries_
};

// Where the gateways of all sets are.
struct TableInForce {
    std::uint8_t number = 0;
    std::uint8_t bits = 0;
};

class Committer {
  public:
    // The new epoch. Needs the Lock. See State::commit.
    Result<std::uint32_t> commit(const KernelMaps &maps, const Pins &pins, std::uint64_t netns_cookie,
                                 const MapImage &image, const std::string &document_json);

  private:
    struct Plan;
    Result<void> recover(const KernelMaps &maps, const Pins &pins);
    Result<Plan> plan(const KernelMaps &maps, const MapImage &image, std::uint32_t epoch) const;
    bool erase_old(const KernelMaps &maps, const Plan &plan) const;

    // What is said below holds for this epoch, and only if no other process committed since. 0: nothing
    // known.
    std::uint32_t epoch_ = 0;
    std::uint32_t next_id_ = 0; // another in the kernel: somebody began a commit and died
    SetMemory<GatewaySet> gateways_;
    SetMemory<NetSet> nets_;
    std::optional<TableInForce> table_; // none: no gateway has a full-length prefix
};

// Removes the rows and tables of every set that the records of the epoch in force do not name.
Result<void> sweep(const KernelMaps &maps);

} // namespace lk
