/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * Queries in packets that the parser refuses: behind IPv4 options or a routing header, which every user may
 * put there, or with lengths that do not fit. On an uplink such packets are dropped whatever they hold; in a
 * tunnel they are others' business, unless they go to port 53.
 */
#ifndef LEAKBPF_BPF_HIDDEN_H
#define LEAKBPF_BPF_HIDDEN_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "carry.h"

#define LK_HIDDEN_HEADERS 12

/* All extension headers that are known, those that lk_parse_ipv6 refuses too, are as long as their second
 * byte says. 253 and 254 are for experiments, whose headers are of this form (RFC 6564). */
static __always_inline int lk_may_precede(__u8 proto) {
    return lk_is_extension(proto) || lk_is_refused_extension(proto);
}

/*
 * Not 0: TCP or UDP to port 53, or its headers do not end and nobody can tell. c->pkt: what the parser calls
 * bad. Of no use for anything else afterwards: its places are the room to walk in, in memory so that the
 * verifier walks each step once.
 */
static __always_inline int lk_hides_query(struct __sk_buff *skb, struct lk_carry *c) {
    volatile __u32 *at = &c->index, *proto = &c->slot;
    const __u32 l3_off = c->pkt.l3_off & 15;
    __u8 ip[12];
    __be16 ports[2];
    if (bpf_skb_load_bytes(skb, l3_off, ip, sizeof(ip))) return 0;
    if (c->pkt.family == 4) {
        if ((ip[6] & 0x1f) || ip[7]) return 0; /* the rest of one that is dropped */
        *at = l3_off + (ip[0] & 15) * 4u;
        *proto = ip[9];
    } else {
        *at = l3_off + 40;
        *proto = ip[6];
        /* Unrolled: Linux 6.1 and older forget a counter that is put by on the stack, and see no end. */
#pragma unroll
        for (int i = 0; i < LK_HIDDEN_HEADERS; i++) {
            __u8 header[4];
            const __u32 place = *at & 0xffff, is = *proto;
            if (!lk_may_precede(is)) break;
            if (bpf_skb_load_bytes(skb, place, header, sizeof(header))) return 1;
            if (is == LK_PROTO_FRAGMENT && (header[2] || (header[3] & 0xf8))) return 0;
            *at = place + (is == LK_PROTO_FRAGMENT ? 8u
                           : is == LK_PROTO_AH     ? (header[1] + 2u) * 4
                                                   : (header[1] + 1u) * 8);
            *proto = header[0];
        }
        if (lk_may_precede(*proto)) return 1;
    }
    if (*proto != LK_PROTO_TCP && *proto != LK_PROTO_UDP) return 0;
    return bpf_skb_load_bytes(skb, *at & 0xffff, ports, sizeof(ports)) || ports[1] == LK_HTONS(53);
}

#endif
