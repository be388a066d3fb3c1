// SPDX-License-Identifier: MIT
// A MapImage in the shape that the natively compiled decision code looks things up in: for tests, fuzzing and
// `check`. Never for judging real packets.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>
#include <vector>

#include "image/gateway_table.h"
#include "image/judge.h"
#include "image/map_image.h"

namespace lk {

// Set ids are places in the image plus 1. The maps point into this object, so it stays where it was made.
class NativeMaps {
  public:
    explicit NativeMaps(const MapImage &image);
    NativeMaps(const NativeMaps &) = delete;
    NativeMaps &operator=(const NativeMaps &) = delete;

    const lk_native_maps *maps() const { return &maps_; }
    const GatewayTable &gateways() const { return hosts_; } // those with a full-length prefix
    void set_now(std::uint64_t now_ns) { maps_.now_ns = now_ns; }

    // The record as a commit of epoch 1 would write it; none if the image has no such device.
    std::optional<lk_dev> device(int ifindex) const;
    lk_host host(std::uint64_t netns_cookie) const;

    void clear(); // forgets all first fragments
    std::size_t fragments() const { return frags_.size(); }

  private:
    struct Hash {
        std::size_t operator()(const lk_set_net &key) const;
        std::size_t operator()(const lk_set_port &key) const;
        std::size_t operator()(const lk_frag_key &key) const;
        std::size_t operator()(const lk_boot &key) const;
    };
    struct Same {
        template <typename Key>
        bool operator()(const Key &a, const Key &b) const;
    };
    // A trie in behaviour: the lengths that a set has, longest first, and the rows by {length, set, address}.
    template <typename Value>
    struct Trie {
        std::vector<std::vector<std::uint32_t>> lengths; // by set - 1; address bits
        std::unordered_map<lk_set_net, Value, Hash, Same> rows;
        void add(std::uint32_t set, const Prefix &prefix, const Value &value);
        const Value *longest(const lk_set_net &key) const;
    };

    lk_gw gateway(const GatewayRow &row);
    void add_boot(std::uint32_t set, const BootstrapName &row);

    GatewayTable hosts_;
    Trie<lk_gw> gateway_nets_;
    std::unordered_map<lk_set_port, __u32, Hash, Same> ports_;
    std::uint32_t port_sets_ = 0;
    std::unordered_map<lk_boot, __u32, Hash, Same> boots_;
    Trie<__u32> nets_;
    std::unordered_map<lk_frag_key, lk_frag, Hash, Same> frags_;
    std::deque<lk_frag_key> frag_order_; // the oldest goes when LK_FRAG_ENTRIES are there
    std::unordered_map<int, lk_dev> devices_;
    lk_host host_{};
    lk_native_maps maps_{};
};

} // namespace lk
