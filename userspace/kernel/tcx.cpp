// SPDX-License-Identifier: MIT
#include "kernel/tcx.h"

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace lk::tcx {

namespace {

// The members of union bpf_attr that the two commands read, as of Linux 6.6.
struct LinkCreate {
    __u32 program_fd;
    __u32 ifindex;
    __u32 attach_type;
    __u32 flags;
    __u32 relative;
    __u32 pad;
    __u64 expected_revision;
};
static_assert(sizeof(LinkCreate) == 32);

struct Query {
    __u32 ifindex;
    __u32 attach_type;
    __u32 query_flags;
    __u32 attach_flags;
    __u64 program_ids;
    __u32 count;
    __u32 pad;
    __u64 program_attach_flags;
    __u64 link_ids;
    __u64 link_attach_flags;
    __u64 revision;
};
static_assert(sizeof(Query) == 64);

long bpf(int command, void *attr, unsigned size) {
    return syscall(__NR_bpf, command, attr, size);
}

} // namespace

int create_link(int program_fd, int ifindex, __u32 chain) {
    LinkCreate attr{};
    attr.program_fd = static_cast<__u32>(program_fd);
    attr.ifindex = static_cast<__u32>(ifindex);
    attr.attach_type = chain;
    attr.flags = before;
    const long fd = bpf(BPF_LINK_CREATE, &attr, sizeof(attr));
    return fd < 0 ? -errno : static_cast<int>(fd);
}

bool available() {
    Query attr{};
    attr.ifindex = 1; // the loopback device, which every network namespace has
    attr.attach_type = egress;
    return bpf(BPF_PROG_QUERY, &attr, sizeof(attr)) == 0 || (errno != EINVAL && errno != E2BIG);
}

std::optional<std::uint32_t> first(int ifindex) {
    __u32 program = 0;
    Query attr{};
    attr.ifindex = static_cast<__u32>(ifindex);
    attr.attach_type = egress;
    attr.program_ids = reinterpret_cast<std::uintptr_t>(&program);
    attr.count = 1;
    // ENOSPC: there are more than the one that was asked for.
    if (bpf(BPF_PROG_QUERY, &attr, sizeof(attr)) == 0 || errno == ENOSPC) return program;
    if (errno == ENODEV) return std::nullopt;
    return 0u;
}

std::optional<std::vector<Entry>> chain(int ifindex, __u32 direction) {
    // The kernel takes 64 programs at one hook (BPF_MPROG_MAX).
    std::vector<__u32> programs(64), links(64);
    Query attr{};
    attr.ifindex = static_cast<__u32>(ifindex);
    attr.attach_type = direction;
    attr.program_ids = reinterpret_cast<std::uintptr_t>(programs.data());
    attr.link_ids = reinterpret_cast<std::uintptr_t>(links.data());
    attr.count = static_cast<__u32>(programs.size());
    if (bpf(BPF_PROG_QUERY, &attr, sizeof(attr)) < 0) {
        // EINVAL and E2BIG: the kernel knows no such hook or no such members. ENOENT: nothing was ever
        // attached.
        if (errno == EINVAL || errno == E2BIG || errno == ENOENT) return std::vector<Entry>{};
        return std::nullopt;
    }
    std::vector<Entry> entries;
    for (__u32 i = 0; i < attr.count && i < programs.size(); ++i)
        entries.push_back({programs[i], links[i]});
    return entries;
}

} // namespace lk::tcx
