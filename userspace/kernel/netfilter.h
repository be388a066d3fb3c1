// SPDX-License-Identifier: MIT
// The netfilter part of the kernel's BPF interface (Linux 6.4). Debian 12's headers (6.1) and libbpf 1.1 lack
// it, so its constants and structures are here, and nowhere else.
#pragma once

namespace lk::netfilter {

constexpr unsigned program_type = 32; // BPF_PROG_TYPE_NETFILTER
constexpr unsigned attach_type = 45;  // BPF_NETFILTER

// A link of PROGRAM_FD at POST_ROUTING of the calling thread's network namespace, behind everything else that
// is there; FAMILY: AF_INET or AF_INET6. Its descriptor, or -errno. EINVAL: a kernel without such links.
int create_link(int program_fd, int family);

} // namespace lk::netfilter
