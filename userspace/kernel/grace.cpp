// SPDX-License-Identifier: MIT
#include "kernel/grace.h"

#include <bpf/bpf.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

namespace lk {

bool wait_grace_period() {
    // Our programs run inside RCU read sections, and this command is synchronize_rcu().
    if (syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0) return true;
    // Refused under nohz_full. An update of a map of maps waits for running programs too.
    const Fd inner{bpf_map_create(BPF_MAP_TYPE_ARRAY, "lk_grace", 4, 4, 1, nullptr)};
    LIBBPF_OPTS(bpf_map_create_opts, options, .inner_map_fd = static_cast<__u32>(inner.get()));
    const Fd outer{bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "lk_grace", 4, 4, 1, &options)};
    const __u32 zero = 0;
    const int fd = inner.get();
    return inner && outer && bpf_map_update_elem(outer.get(), &zero, &fd, BPF_ANY) == 0;
}

bool can_wait_grace_period() {
    const auto offered = syscall(__NR_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    return (offered > 0 && (offered & MEMBARRIER_CMD_GLOBAL) != 0) || wait_grace_period();
}

} // namespace lk
