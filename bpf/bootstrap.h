/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * Row B of docs/policy.md: a query for one of the names that may be asked in the clear while there is no
 * tunnel. The only place where a payload is read, and read only where row 6 is about to refuse a query and
 * the policy has such names. Pure but for the lookup: whoever includes this defines it first, as with
 * classify.h:
 *     lk_lookup_boot
 */
#ifndef LEAKBPF_BPF_BOOTSTRAP_H
#define LEAKBPF_BPF_BOOTSTRAP_H

#include "classify.h"
#include "dns.h"

#define LK_BOOT_HEADERS 20u                                       /* UDP's and the message's */
#define LK_BOOT_LEAST   (LK_BOOT_HEADERS + 3 + 4)                 /* one name of one letter */
#define LK_BOOT_MOST    (LK_BOOT_HEADERS + LK_BOOT_NAME + 4 + 11) /* and EDNS */

/* In the kernel it lies in a map: the verifier then knows nothing of what is in it, and walks each step once.
 */
struct lk_boot_case {
    struct lk_boot key;
    __u32 length;       /* bytes of the UDP datagram */
    volatile __u32 end; /* of the name; out of memory the verifier does not know where that was */
    __u8 datagram[168];
};

/* Only where row 6 refuses for want of a tunnel, and never otherwise. */
static __always_inline int lk_may_bootstrap(const struct lk_dev *dev, __u8 reason) {
    return (dev->policy.flags & (LK_POLICY_BOOTSTRAP4 | LK_POLICY_BOOTSTRAP6)) &&
           (reason == LK_DNS_NO_RESOLVER || reason == LK_DNS_NO_TUNNEL);
}

/* What the headers say. frame_bytes: of the whole frame. Not 0: the caller puts c->length bytes from
 * p->l4_off on into c->datagram, and asks lk_boot_named(). */
static __always_inline int lk_boot_opens(const struct lk_dev *dev, const struct lk_pkt *p, __u32 frame_bytes,
                                         struct lk_boot_case *c) {
    const __u32 holds = p->family == 6 ? LK_POLICY_BOOTSTRAP6 : LK_POLICY_BOOTSTRAP4;
    if (!(dev->policy.flags & holds) || p->proto != LK_PROTO_UDP || !lk_dns_plain(p) ||
        !lk_is_own(dev, &p->src))
        return 0;
    /* The datagram ends with the frame: neither padding nor what UDP does not count goes along. */
    c->length = frame_bytes - p->l4_off;
    if (c->length < LK_BOOT_LEAST || c->length > LK_BOOT_MOST) return 0;
    c->key.set = dev->policy.gw_set;
    c->key.server = p->dst;
    return 1;
}

/* Is it one query, exactly, for one of the names? */
static __always_inline int lk_boot_named(struct lk_boot_case *c) {
    const __u8 *message = c->datagram + 8;

    if (LK_NTOHS(lk_load16(c->datagram + 4)) != c->length) return 0;
    /* A query (opcode 0) with no other flags than RD, AD and CD. */
    if (lk_load16(message + 2) & LK_HTONS(0xfecf)) return 0;
    if (lk_load16(message + 4) != LK_HTONS(1) || lk_load16(message + 6) || lk_load16(message + 8)) return 0;

    __builtin_memset(c->key.name, 0, sizeof(c->key.name));
    c->end = 0;
    __u64 left = 0, bad = 0; /* bytes of the label that is being read */
    for (__u32 i = 0; i < LK_BOOT_NAME; i++) {
        const __u64 byte = message[12 + i], is_length = lk_less(left, 1);
        if (!byte && is_length) {
            c->end = i + 1;
            break;
        }
        const __u64 is_capital = lk_less((__u32)(byte - 'A'), 26) * (1 - is_length);
        bad |= is_length * lk_less(63, byte);
        c->key.name[i] = (__u8)(byte + is_capital * ('a' - 'A'));
        left += is_length * (byte + 1) - 1;
    }
    const __u32 end = c->end; /* bytes of the name */
    if (bad || end < 3 || end > LK_BOOT_NAME) return 0;
    const __u8 *rest = message + 12 + end;
    const __be16 type = lk_load16(rest);
    if (type != LK_HTONS(1) && type != LK_HTONS(28) && type != LK_HTONS(65)) return 0; /* A, AAAA, HTTPS */
    if (lk_load16(rest + 2) != LK_HTONS(1)) return 0;                                  /* IN */

    const __be16 additional = lk_load16(message + 10);
    __u32 length = LK_BOOT_HEADERS + end + 4;
    if (additional == LK_HTONS(1)) { /* EDNS without options, which could carry anything */
        if (rest[4] || lk_load16(rest + 5) != LK_HTONS(41) || lk_load16(rest + 13)) return 0;
        if (lk_load32(rest + 9) & ~LK_HTONL(0x8000)) return 0; /* of the flags, DO alone */
        length += 11;
    } else if (additional) {
        return 0;
    }
    if (c->length != length) return 0;
    const __u32 *row = lk_lookup_boot(&c->key);
    return row && *row == LK_BOOT_NAMED;
}

#endif
