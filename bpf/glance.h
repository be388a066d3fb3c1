/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * Packets of a tunnel that tell by their first bytes that nothing is to be done with them: nearly all. They
 * are not read any further, so that what goes by a tunnel costs next to nothing. Whatever is not plain is no
 * such packet.
 */
#ifndef LEAKBPF_BPF_GLANCE_H
#define LEAKBPF_BPF_GLANCE_H

#include <linux/bpf.h>

#include "dns.h"
#include "nat.h"
#include "proto.h"

struct lk_glance {
    const __u8 *ip;
    __u8 family; /* 4 or 6: TCP or UDP, whole, without IP options and extensions. 0: it is not plain */
    __be16 sport;
    __be16 dport;
};

static __always_inline struct lk_glance lk_glance_at(const struct __sk_buff *skb, __u32 link) {
    struct lk_glance seen = {.ip = (const __u8 *)(long)skb->data + link};
    const __u8 *ip = seen.ip, *end = (const __u8 *)(long)skb->data_end;
    if (ip + 24 > end) return seen;
    if (ip[0] == 0x45) {
        if (ip[9] != LK_PROTO_TCP && ip[9] != LK_PROTO_UDP) return seen;
        if (lk_load16(ip + 6) & LK_HTONS(0x3fff)) return seen;
        seen.sport = lk_load16(ip + 20);
        seen.dport = lk_load16(ip + 22);
        seen.family = 4;
    } else if (ip[0] >> 4 == 6 && ip + 44 <= end) {
        if (ip[6] != LK_PROTO_TCP && ip[6] != LK_PROTO_UDP) return seen;
        seen.sport = lk_load16(ip + 40);
        seen.dport = lk_load16(ip + 42);
        seen.family = 6;
    }
    return seen;
}

static __always_inline int lk_is_plainly_no_answer(const struct lk_glance *seen) {
    return seen->family && !lk_is_nat_port(seen->dport);
}

static __always_inline int lk_is_plainly_no_query(const struct lk_glance *seen) {
    return seen->family && seen->dport != LK_HTONS(53);
}

/* A datagram to the resolver, by its own tunnel and from its own address there, as of sockets that are
 * connected to it. */
static __always_inline int lk_is_plainly_direct(const struct lk_policy *policy, const struct __sk_buff *skb,
                                                const struct lk_glance *seen, __u32 link) {
    const __u8 *ip = seen->ip, *end = (const __u8 *)(long)skb->data_end;
    const __u32 bytes = skb->len - link;
    struct lk_addr src, dst;
    if (!seen->family || lk_is_nat_port(seen->sport)) return 0;
    const struct lk_way *way = lk_way_for(policy, seen->family);
    if (!way || way->ifindex != skb->ifindex || way->port != seen->dport) return 0;
    if (lk_addr_mapped(&way->resolver) != (seen->family == 4)) return 0;
    if (seen->family == 4) {
        if (ip + 28 > end || ip[9] != LK_PROTO_UDP || LK_NTOHS(lk_load16(ip + 2)) != bytes) return 0;
        if (LK_NTOHS(lk_load16(ip + 24)) + 20u != bytes) return 0;
        lk_load_addr4(&src, ip + 12);
        lk_load_addr4(&dst, ip + 16);
    } else {
        if (ip + 48 > end || ip[6] != LK_PROTO_UDP || LK_NTOHS(lk_load16(ip + 4)) + 40u != bytes) return 0;
        if (LK_NTOHS(lk_load16(ip + 44)) + 40u != bytes) return 0;
        lk_load_addr6(&src, ip + 8);
        lk_load_addr6(&dst, ip + 24);
    }
    return lk_addr_equal(&src, &way->source) && lk_addr_equal(&dst, &way->resolver);
}

#endif
