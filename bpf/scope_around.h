/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * What the devices around a socket say of a call, before there is a route: whether the address is the
 * namespace's own, and whether there is a tunnel by which it might go. Read from the kernel's own list, so
 * that it is never older than the call.
 */
#ifndef LEAKBPF_BPF_SCOPE_AROUND_H
#define LEAKBPF_BPF_SCOPE_AROUND_H

#include <linux/bpf.h>

#include "base.h"
#include "kernel_net.h"

#define LK_AROUND_DEVICES   48 /* with more of them, or of addresses on one, nothing is refused early */
#define LK_AROUND_ADDRESSES 16
#define LK_IFF_UP           1

enum lk_around {
    LK_AROUND_OWN = 1,    /* the address is one of the namespace's own */
    LK_AROUND_TUNNEL = 2, /* there is a tunnel that is up, or too much to look at */
};

static __noinline int lk_around_own4(const struct net_device *device, __be32 addr) {
    const struct in_ifaddr *at = BPF_CORE_READ(device, ip_ptr, ifa_list);
    for (int i = 0; i < LK_AROUND_ADDRESSES; i++) {
        if (!at) return 0;
        if (BPF_CORE_READ(at, ifa_local) == addr) return LK_AROUND_OWN;
        at = BPF_CORE_READ(at, ifa_next);
    }
    return LK_AROUND_TUNNEL;
}

static __noinline int lk_around_own6(const struct net_device *device, const struct lk_addr *addr) {
    const struct inet6_dev *inside = BPF_CORE_READ(device, ip6_ptr);
    if (!inside) return 0;
    const struct list_head *head = __builtin_preserve_access_index(&inside->addr_list);
    const struct list_head *at = BPF_CORE_READ(head, next);
    for (int i = 0; i < LK_AROUND_ADDRESSES; i++) {
        if (at == head || !at) return 0;
        const struct inet6_ifaddr *entry =
            (const void *)at - bpf_core_field_offset(struct inet6_ifaddr, if_list);
        struct lk_addr own = {};
        if (bpf_probe_read_kernel(&own, sizeof(own), __builtin_preserve_access_index(&entry->addr))) return 0;
        if (lk_addr_equal(&own, addr)) return LK_AROUND_OWN;
        at = BPF_CORE_READ(at, next);
    }
    return LK_AROUND_TUNNEL;
}

/*
 * enum lk_around; an own address counts more than a tunnel, whichever comes first. Global: the verifier walks
 * it once, whoever calls. It is given the four words of the address because older kernels let a global
 * function have no pointer but this.
 */
__noinline int lk_look_around(struct bpf_sock_addr *ctx, __u32 w0, __u32 w1, __u32 w2, __u32 w3) {
    const struct lk_addr addr = {.w = {w0, w1, w2, w3}};
    const struct bpf_sock_addr_kern *call = (const void *)ctx;
    const struct net *net = BPF_CORE_READ(call, sk, __sk_common.skc_net.net);
    if (!net) return LK_AROUND_TUNNEL;
    const struct list_head *head = __builtin_preserve_access_index(&net->dev_base_head);
    const struct list_head *at = BPF_CORE_READ(head, next);
    const int mapped = lk_addr_mapped(&addr);
    int around = 0;
    for (int i = 0; i < LK_AROUND_DEVICES; i++) {
        if (at == head) return around;
        if (!at) break;
        const struct net_device *device =
            (const void *)at - bpf_core_field_offset(struct net_device, dev_list);
        const int own = mapped ? lk_around_own4(device, addr.w[3]) : lk_around_own6(device, &addr);
        if (own == LK_AROUND_OWN) return own;
        if (own || ((BPF_CORE_READ(device, flags) & LK_IFF_UP) && lk_is_tunnel(device)))
            around = LK_AROUND_TUNNEL;
        at = BPF_CORE_READ(at, next);
    }
    return LK_AROUND_TUNNEL;
}

#endif
