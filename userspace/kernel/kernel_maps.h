// SPDX-License-Identifier: MIT
// Every map of one network namespace, opened and checked, and the two words that are written through memory:
// the epoch in force, and the next set id. Knows no policy.
#pragma once

#include <cstdint>
#include <string>

#include "kernel/gateway_tables.h"
#include "kernel/map.h"
#include "leakbpf/abi.h"

namespace lk {

// The first value of a map with BPF_F_MMAPABLE, as memory shared with the kernel.
class Mapped {
  public:
    static Result<Mapped> open(int map_fd, std::size_t bytes);
    Mapped(Mapped &&other) noexcept;
    Mapped &operator=(Mapped &&other) noexcept;
    ~Mapped();
    void *data() const { return data_; }

  private:
    Mapped(void *data, std::size_t bytes) : data_(data), bytes_(bytes) {}
    void *data_ = nullptr;
    std::size_t bytes_ = 0;
};

struct KernelMaps {
    Map<__u32, lk_word> word;
    Map<__u32, __u32> ids; // the loader's own: the set id that comes next
    Map<__u32, lk_dev> devs;
    Map<__u32, lk_host> hosts;
    GatewayTables gw;
    Map<lk_set_net, lk_gw> gw_net;
    Map<lk_set_port, __u32> gw_port;
    Map<lk_set_net, __u32> net;
    Map<lk_boot, __u32> boots;
    Map<lk_serve_net, __u32> serves;
    Map<lk_served, __u64> serve_old;
    Map<lk_frag_key, lk_frag> frags;
    Map<int, lk_mark> marks;
    RawMap counts;
    RawMap limits;
    RawMap events;
    Mapped word_memory;
    Mapped ids_memory;

    // All of them or an error that names the first that is missing or other than expected.
    static Result<KernelMaps> open(const std::string &directory);

    std::uint32_t epoch() const;               // 0: no policy
    void set_epoch(std::uint32_t epoch) const; // the flip
    std::uint32_t next_id() const;
    void set_next_id(std::uint32_t id) const;
};

constexpr const char *ids_map_name = "lk_ids";

} // namespace lk
