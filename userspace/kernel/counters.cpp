// SPDX-License-Identifier: MIT
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cerrno>

#include "kernel/state_impl.h"
#include "kernel/sys.h"

namespace lk {

namespace {

// The value of every CPU, one after the other. T's size is a multiple of 8, as the kernel lays them out.
template <typename T>
Result<std::vector<T>> per_cpu(const RawMap &map, __u32 index) {
    static_assert(sizeof(T) % 8 == 0);
    const int cpus = libbpf_num_possible_cpus();
    if (cpus < 1) return system_error("cannot tell how many CPUs there may be", -cpus);
    std::vector<T> values(static_cast<std::size_t>(cpus));
    if (!map.lookup(&index, values.data()))
        return system_error(std::string{"cannot read the kernel's table "} + map.shape().name, errno);
    return values;
}

Result<std::uint64_t> suppressed(const RawMap &limits, lk_limit_kind kind) {
    auto values = per_cpu<lk_limit>(limits, kind);
    if (!values) return values.error();
    std::uint64_t sum = 0;
    for (const auto &value : *values)
        sum += value.suppressed;
    return sum;
}

} // namespace

Result<Counters> State::counters() const {
    Counters counters{};
    for (__u32 hook = 0; hook < LK_HOOKS; ++hook)
        for (__u32 reason = 0; reason < LK_REASONS; ++reason) {
            auto values = per_cpu<lk_count>(impl_->maps.counts, hook * LK_REASONS + reason);
            if (!values) return values.error();
            for (const auto &value : *values) {
                counters[hook][reason].packets += value.packets;
                counters[hook][reason].bytes += value.bytes;
            }
        }
    return counters;
}

Result<State::Untold> State::untold() const {
    auto resets = suppressed(impl_->maps.limits, LK_LIMIT_RESET);
    if (!resets) return resets.error();
    auto icmp = suppressed(impl_->maps.limits, LK_LIMIT_ICMP);
    if (!icmp) return icmp.error();
    auto events = suppressed(impl_->maps.limits, LK_LIMIT_EVENT);
    if (!events) return events.error();
    return Untold{*resets, *icmp, *events};
}

} // namespace lk
