// SPDX-License-Identifier: MIT
// The native judge: lk_native_judge() over the rows of one world, looked up plainly. Not thread-safe.
#pragma once

#include <cstring>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cases/judges/image.h"
#include "image/gateway_table.h"
#include "image/judge.h"

namespace lk {

// A table keyed by the bytes of an ABI struct, which has no padding but what is declared.
template <typename Key, typename Value>
class ByteTable {
  public:
    void put(const Key &key, const Value &value) { table_[key] = value; }
    const Value *find(const Key &key) const {
        const auto it = table_.find(key);
        return it == table_.end() ? nullptr : &it->second;
    }
    Value *find(const Key &key) {
        const auto it = table_.find(key);
        return it == table_.end() ? nullptr : &it->second;
    }
    void clear() { table_.clear(); }

  private:
    struct Hash {
        std::size_t operator()(const Key &key) const {
            return std::hash<std::string_view>{}({reinterpret_cast<const char *>(&key), sizeof key});
        }
    };
    struct Equal {
        bool operator()(const Key &a, const Key &b) const { return std::memcmp(&a, &b, sizeof a) == 0; }
    };
    std::unordered_map<Key, Value, Hash, Equal> table_;
};

// Prefixes, the longest match: each length is looked up in turn.
template <typename Value>
class PrefixTable {
  public:
    void put(const lk_set_net &key, const Value &value) {
        table_.put(cut(key, key.prefix_bits), value);
        lengths_.insert(key.prefix_bits);
    }
    const Value *find(const lk_set_net &key) const {
        for (const __u32 length : lengths_)
            if (length <= key.prefix_bits)
                if (const Value *value = table_.find(cut(key, length))) return value;
        return nullptr;
    }

  private:
    static lk_set_net cut(lk_set_net key, __u32 prefix_bits) {
        auto *address = reinterpret_cast<unsigned char *>(&key.addr);
        const unsigned bits = prefix_bits - LK_SET_BITS;
        key.prefix_bits = prefix_bits;
        for (unsigned i = (bits + 7) / 8; i < sizeof key.addr; ++i)
            address[i] = 0;
        if (bits % 8) address[bits / 8] &= static_cast<unsigned char>(0xff00 >> (bits % 8));
        return key;
    }
    ByteTable<lk_set_net, Value> table_;
    std::set<__u32, std::greater<>> lengths_;
};

// Services: each length is looked up in turn.
class ServeTable {
  public:
    void put(const lk_serve_net &key) {
        keys_.put(cut(key, key.prefix_bits), 1);
        lengths_.insert(key.prefix_bits);
    }
    const __u32 *find(const lk_serve_net &key) const {
        for (const __u32 length : lengths_)
            if (length <= key.prefix_bits)
                if (const __u32 *value = keys_.find(cut(key, length))) return value;
        return nullptr;
    }

  private:
    static lk_serve_net cut(lk_serve_net key, __u32 prefix_bits) {
        auto *address = reinterpret_cast<unsigned char *>(&key.addr);
        key.prefix_bits = prefix_bits;
        for (unsigned bit = prefix_bits - LK_SERVE_BITS; bit < 128; ++bit)
            address[bit / 8] &= static_cast<unsigned char>(~(0x80u >> (bit % 8)));
        return key;
    }
    ByteTable<lk_serve_net, __u32> keys_;
    std::set<__u32, std::greater<>> lengths_;
};

class NativeJudge {
  public:
    explicit NativeJudge(const World &world);
    Answer judge(const Sender &sender, std::span<const std::uint8_t> frame, std::uint64_t now_ns);
    void forget_fragments() { frags_.clear(); }

  private:
    std::optional<lk_dev> device_;
    GatewayTable gw_;
    PrefixTable<lk_gw> gw_net_;
    ByteTable<lk_set_port, __u32> gw_port_;
    PrefixTable<__u32> net_;
    ByteTable<lk_boot, __u32> boots_;
    ServeTable serves_;
    std::vector<std::vector<std::uint8_t>> arrived_;
    std::map<__u32, std::vector<std::uint64_t>> buckets_;
    ByteTable<lk_frag_key, lk_frag> frags_;
};

} // namespace lk
