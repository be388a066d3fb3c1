// SPDX-License-Identifier: MIT
#include "kernel/netfilter.h"

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

namespace lk::netfilter {

namespace {

// The members of union bpf_attr that the command reads, as of Linux 6.4.
struct LinkCreate {
    __u32 program_fd;
    __u32 target_fd;
    __u32 attach_type;
    __u32 flags;
    __u32 family;
    __u32 hook;
    __s32 priority;
    __u32 netfilter_flags;
};
static_assert(sizeof(LinkCreate) == 32);

constexpr __u32 post_routing = 4; // NF_INET_POST_ROUTING
constexpr int last = INT_MAX - 1; // the very last is the kernel's own
constexpr int places = 16;        // each takes one BPF program

} // namespace

int create_link(int program_fd, int family) {
    long fd = -1;
    for (int place = 0; place < places; ++place) {
        LinkCreate attr{};
        attr.program_fd = static_cast<__u32>(program_fd);
        attr.attach_type = attach_type;
        attr.family = static_cast<__u32>(family);
        attr.hook = post_routing;
        attr.priority = last - place;
        fd = syscall(__NR_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
        if (fd >= 0 || errno != EBUSY) break;
    }
    return fd < 0 ? -errno : static_cast<int>(fd);
}

} // namespace lk::netfilter
