// SPDX-License-Identifier: MIT
// Maps typed by key and value, checked against what the kernel says when they are opened, so that no wrong
// size ever reaches a system call. Errors name the map.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <functional>
#include <string>
#include <type_traits>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace lk {

struct MapShape {
    const char *name;
    bpf_map_type type;
    std::uint32_t key_size;
    std::uint32_t value_size;
    std::uint32_t entries; // 0: any number
};

// Untyped part. Keys and values are packed arrays of the shape's sizes.
class RawMap {
  public:
    static Result<RawMap> open(const std::string &path, const MapShape &shape);
    static Result<RawMap> open_by_id(std::uint32_t id, const MapShape &shape);
    static Result<RawMap> create(const MapShape &shape, std::uint32_t flags);

    int fd() const { return fd_.get(); }
    const MapShape &shape() const { return shape_; }
    std::uint32_t id() const;

    bool lookup(const void *key, void *value) const; // false: no such entry
    Result<void> put(const void *key, const void *value, std::uint64_t flags = BPF_ANY) const;
    // In batches, one by one where the kernel has none for this type. A full map is an error that says so.
    Result<void> put_all(const void *keys, const void *values, std::size_t count) const;
    Result<void> erase_all(const void *keys, std::size_t count) const; // entries may be missing
    Result<void> for_each(const std::function<void(const void *key, const void *value)> &visit) const;

  private:
    static Result<RawMap> checked(Fd fd, const std::string &name, const MapShape &shape);
    RawMap(Fd fd, const MapShape &shape) : fd_(std::move(fd)), shape_(shape) {}
    Error error(const char *action, int number) const;
    Result<void> walk(const std::function<void(const void *key, const void *value)> &visit) const;
    Fd fd_;
    MapShape shape_;
};

template <typename Key, typename Value>
class Map {
    static_assert(std::is_trivially_copyable_v<Key> && std::is_trivially_copyable_v<Value>);

  public:
    static Result<Map> open(const std::string &directory, const char *name, bpf_map_type type,
                            std::uint32_t entries = 0) {
        const MapShape shape{name, type, sizeof(Key), sizeof(Value), entries};
        auto raw = RawMap::open(directory + "/" + name, shape);
        if (!raw) return raw.error();
        return Map{std::move(*raw)};
    }

    int fd() const { return raw_.fd(); }
    const RawMap &raw() const { return raw_; }
    bool lookup(const Key &key, Value &value) const { return raw_.lookup(&key, &value); }
    Result<void> put(const Key &key, const Value &value) const { return raw_.put(&key, &value); }
    Result<void> put_all(const std::vector<Key> &keys, const std::vector<Value> &values) const {
        return raw_.put_all(keys.data(), values.data(), keys.size());
    }
    Result<void> erase_all(const std::vector<Key> &keys) const {
        return raw_.erase_all(keys.data(), keys.size());
    }
    template <typename Visit>
    Result<void> for_each(Visit visit) const {
        return raw_.for_each([&](const void *key, const void *value) {
            visit(*static_cast<const Key *>(key), *static_cast<const Value *>(value));
        });
    }

  private:
    explicit Map(RawMap raw) : raw_(std::move(raw)) {}
    RawMap raw_;
};

} // namespace lk
