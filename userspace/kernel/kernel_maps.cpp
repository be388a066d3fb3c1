// SPDX-License-Identifier: MIT
#include "kernel/kernel_maps.h"

#include <sys/mman.h>

#include <cerrno>
#include <utility>

#include "kernel/sys.h"

namespace lk {

Result<Mapped> Mapped::open(int map_fd, std::size_t bytes) {
    void *data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
    if (data == MAP_FAILED) return system_error("cannot map a BPF map into memory", errno);
    return Mapped{data, bytes};
}

Mapped::Mapped(Mapped &&other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Mapped &Mapped::operator=(Mapped &&other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
}

Mapped::~Mapped() {
    if (data_ != nullptr) ::munmap(data_, bytes_);
}

Result<KernelMaps> KernelMaps::open(const std::string &dir) {
    auto word = Map<__u32, lk_word>::open(dir, "lk_word", BPF_MAP_TYPE_ARRAY, 1);
    if (!word) return word.error();
    auto ids = Map<__u32, __u32>::open(dir, ids_map_name, BPF_MAP_TYPE_ARRAY, 1);
    if (!ids) return ids.error();
    auto devs = Map<__u32, lk_dev>::open(dir, "lk_devs", BPF_MAP_TYPE_ARRAY, 2 * LK_DEV_SLOTS);
    if (!devs) return devs.error();
    auto hosts = Map<__u32, lk_host>::open(dir, "lk_hosts", BPF_MAP_TYPE_ARRAY, 2);
    if (!hosts) return hosts.error();
    auto gw = GatewayTables::open(dir);
    if (!gw) return gw.error();
    auto gw_net = Map<lk_set_net, lk_gw>::open(dir, "lk_gw_net", BPF_MAP_TYPE_LPM_TRIE);
    if (!gw_net) return gw_net.error();
    auto gw_port = Map<lk_set_port, __u32>::open(dir, "lk_gw_port", BPF_MAP_TYPE_HASH);
    if (!gw_port) return gw_port.error();
    auto net = Map<lk_set_net, __u32>::open(dir, "lk_net", BPF_MAP_TYPE_LPM_TRIE);
    if (!net) return net.error();
    auto boots = Map<lk_boot, __u32>::open(dir, "lk_boots", BPF_MAP_TYPE_HASH);
    if (!boots) return boots.error();
    auto serves = Map<lk_serve_net, __u32>::open(dir, "lk_serves", BPF_MAP_TYPE_LPM_TRIE);
    if (!serves) return serves.error();
    auto serve_old = Map<lk_served, __u64>::open(dir, "lk_serve_old", BPF_MAP_TYPE_HASH, LK_SERVE_OLD);
    if (!serve_old) return serve_old.error();
    auto frags = Map<lk_frag_key, lk_frag>::open(dir, "lk_frags", BPF_MAP_TYPE_LRU_HASH);
    if (!frags) return frags.error();
    auto marks = Map<int, lk_mark>::open(dir, "lk_marks", BPF_MAP_TYPE_SK_STORAGE);
    if (!marks) return marks.error();
    auto counts = RawMap::open(dir + "/lk_counts", {"lk_counts", BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(__u32),
                                                    sizeof(lk_count), __u32{LK_HOOKS} * __u32{LK_REASONS}});
    if (!counts) return counts.error();
    auto limits = RawMap::open(dir + "/lk_limits", {"lk_limits", BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(__u32),
                                                    sizeof(lk_limit), LK_LIMITS});
    if (!limits) return limits.error();
    auto events = RawMap::open(dir + "/lk_events", {"lk_events", BPF_MAP_TYPE_RINGBUF, 0, 0, 0});
    if (!events) return events.error();
    auto word_memory = Mapped::open(word->fd(), sizeof(lk_word));
    if (!word_memory) return word_memory.error();
    auto ids_memory = Mapped::open(ids->fd(), sizeof(__u32));
    if (!ids_memory) return ids_memory.error();
    if (static_cast<const lk_word *>(word_memory->data())->abi != LK_ABI_VERSION)
        return failure(dir + "/lk_word is of another version of leakbpf");
    return KernelMaps{std::move(*word),    std::move(*ids),         std::move(*devs),
                      std::move(*hosts),   std::move(*gw),          std::move(*gw_net),
                      std::move(*gw_port), std::move(*net),         std::move(*boots),
                      std::move(*serves),  std::move(*serve_old),   std::move(*frags),
                      std::move(*marks),   std::move(*counts),      std::move(*limits),
                      std::move(*events),  std::move(*word_memory), std::move(*ids_memory)};
}

std::uint32_t KernelMaps::epoch() const {
    return __atomic_load_n(&static_cast<const lk_word *>(word_memory.data())->epoch, __ATOMIC_ACQUIRE);
}

void KernelMaps::set_epoch(std::uint32_t epoch) const {
    __atomic_store_n(&static_cast<lk_word *>(word_memory.data())->epoch, epoch, __ATOMIC_SEQ_CST);
}

std::uint32_t KernelMaps::next_id() const {
    return __atomic_load_n(static_cast<const __u32 *>(ids_memory.data()), __ATOMIC_ACQUIRE);
}

void KernelMaps::set_next_id(std::uint32_t id) const {
    __atomic_store_n(static_cast<__u32 *>(ids_memory.data()), id, __ATOMIC_SEQ_CST);
}

} // namespace lk
