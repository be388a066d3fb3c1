/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* The cookie of a network namespace, as struct net has it: the loader finds the place in the kernel's BTF. */
#ifndef LEAKBPF_BPF_KERNEL_COOKIE_H
#define LEAKBPF_BPF_KERNEL_COOKIE_H

#include <linux/types.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
    __s64 counter;
} atomic64_t;

struct net___cookie {
    __u64 net_cookie;
};

/* Before 5.12. */
struct net___counted {
    atomic64_t net_cookie;
};

#pragma clang attribute pop

/* Before 5.12 it is 0 until somebody asks for it. */
static __always_inline __u64 lk_cookie_of(const void *net) {
    __u64 cookie = 0;
    const struct net___cookie *plain = net;
    const struct net___counted *counted = net;
    if (bpf_core_field_exists(counted->net_cookie.counter))
        bpf_core_read(&cookie, sizeof(cookie), &counted->net_cookie.counter);
    else
        bpf_core_read(&cookie, sizeof(cookie), &plain->net_cookie);
    return cookie;
}

#endif
