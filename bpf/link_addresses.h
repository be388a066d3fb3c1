/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * Which addresses a container's end of its link has, read from the kernel's own lists, so that they are never
 * older than the frame: a program there needs nobody to keep them current. Beside the end's own addresses,
 * those of devices directly on top of it count (a bridge, VLAN or macvlan that the container made).
 *
 * The functions are global: the verifier walks each once. Older kernels let them have nothing but numbers, so
 * that they are given a device's address in the kernel, and an internet address as two words of 8 bytes.
 */
#ifndef LEAKBPF_BPF_LINK_ADDRESSES_H
#define LEAKBPF_BPF_LINK_ADDRESSES_H

#include <linux/bpf.h>

#include "base.h"
#include "kernel_net.h"

#define LK_LINK_ADDRESSES 16 /* of a device: with more of them each address counts as its own */
#define LK_LINK_UPPERS    8  /* on top of one; what is beyond is not known */
#define LK_NEAR_BITS4     16 /* networks that are wider than these are nobody's neighbourhood */
#define LK_NEAR_BITS6     48

enum lk_at_link {
    LK_AT_LINK_OWN = 1,  /* an own address */
    LK_AT_LINK_NEAR = 2, /* in the network of one */
};

static __always_inline int lk_at_link4(const struct net_device *device, __be32 addr) {
    const struct in_ifaddr *at = BPF_CORE_READ(device, ip_ptr, ifa_list);
    int found = 0;
    for (int i = 0; i < LK_LINK_ADDRESSES; i++) {
        if (!at) return found;
        const __be32 mask = BPF_CORE_READ(at, ifa_mask);
        if (BPF_CORE_READ(at, ifa_local) == addr) found |= LK_AT_LINK_OWN;
        if (LK_NTOHL(mask) >= 0xffffffffu << (32 - LK_NEAR_BITS4) &&
            !((BPF_CORE_READ(at, ifa_address) ^ addr) & mask))
            found |= LK_AT_LINK_NEAR;
        at = BPF_CORE_READ(at, ifa_next);
    }
    return found | LK_AT_LINK_OWN;
}

/* The first BITS bits of both, from 0 to 128. */
static __always_inline int lk_same_prefix(const struct lk_addr *a, const struct lk_addr *b, __u32 bits) {
    __u32 differ = 0;
    for (__u32 i = 0; i < 4; i++) {
        const __u32 left = bits > i * 32 ? bits - i * 32 : 0;
        const __u32 mask = left >= 32 ? 0xffffffff : ~(0xffffffffu >> (left & 31));
        differ |= (a->w[i] ^ b->w[i]) & LK_HTONL(mask);
    }
    return !differ;
}

static __always_inline int lk_at_link6(const struct net_device *device, const struct lk_addr *addr) {
    const struct inet6_dev *inside = BPF_CORE_READ(device, ip6_ptr);
    if (!inside) return 0;
    const struct list_head *head = __builtin_preserve_access_index(&inside->addr_list);
    const struct list_head *at = BPF_CORE_READ(head, next);
    int found = 0;
    for (int i = 0; i < LK_LINK_ADDRESSES; i++) {
        if (at == head || !at) return found;
        const struct inet6_ifaddr *entry =
            (const void *)at - bpf_core_field_offset(struct inet6_ifaddr, if_list);
        struct lk_addr own = {};
        if (bpf_probe_read_kernel(&own, sizeof(own), __builtin_preserve_access_index(&entry->addr)))
            return found;
        const __u32 bits = BPF_CORE_READ(entry, prefix_len);
        if (lk_addr_equal(&own, addr)) found |= LK_AT_LINK_OWN;
        if (bits >= LK_NEAR_BITS6 && lk_same_prefix(&own, addr, bits)) found |= LK_AT_LINK_NEAR;
        at = BPF_CORE_READ(at, next);
    }
    return found | LK_AT_LINK_OWN;
}

/* enum lk_at_link of an address on this very device. */
__noinline int lk_link_has(__u64 device, __u64 high, __u64 low) {
    const struct lk_addr addr = {.w = {(__u32)high, (__u32)(high >> 32), (__u32)low, (__u32)(low >> 32)}};
    const struct net_device *at = (const void *)(long)device;
    return lk_addr_mapped(&addr) ? lk_at_link4(at, addr.w[3]) : lk_at_link6(at, &addr);
}

static __always_inline const struct list_head *lk_uppers(const struct net_device *device) {
    return __builtin_preserve_access_index(&device->adj_list.upper);
}

static __always_inline int lk_has_uppers(const struct net_device *device) {
    const struct list_head *uppers = lk_uppers(device);
    return BPF_CORE_READ(uppers, next) != uppers;
}

/* The same, of this device or one directly on top of it. */
__noinline int lk_link_carries(__u64 device, __u64 high, __u64 low) {
    const struct list_head *head = lk_uppers((const void *)(long)device);
    const struct list_head *at = BPF_CORE_READ(head, next);
    int found = lk_link_has(device, high, low);
    for (int i = 0; i < LK_LINK_UPPERS; i++) {
        if (at == head || !at) break;
        const struct netdev_adjacent *entry =
            (const void *)at - bpf_core_field_offset(struct netdev_adjacent, list);
        found |= lk_link_has((__u64)(long)BPF_CORE_READ(entry, dev), high, low);
        at = BPF_CORE_READ(at, next);
    }
    return found;
}

static __always_inline int lk_link_knows(const struct net_device *device, const struct lk_addr *addr) {
    const __u64 high = (__u64)addr->w[1] << 32 | addr->w[0], low = (__u64)addr->w[3] << 32 | addr->w[2];
    return lk_link_carries((__u64)(long)device, high, low);
}

#endif
