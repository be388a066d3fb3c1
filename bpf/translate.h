/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * A DNS packet with other addresses and ports, of the same family or of the other: queries on their way to
 * the resolver, and answers on their way back, by one text. Decides nothing.
 *
 * Uses the helpers bpf_skb_load_bytes, bpf_skb_store_bytes, bpf_l3_csum_replace, bpf_l4_csum_replace,
 * bpf_skb_change_proto and bpf_skb_adjust_room, which whoever includes this declares first:
 * <bpf/bpf_helpers.h> in the kernel, stand-ins natively. The helpers know whether a checksum is finished,
 * left to the device (CHECKSUM_PARTIAL), or that of a packet still to be cut into segments; arithmetic of
 * ours would not.
 */
#ifndef LEAKBPF_BPF_TRANSLATE_H
#define LEAKBPF_BPF_TRANSLATE_H

#include <linux/bpf.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "parse.h"
#include "sum.h"
#include "translation.h"

#define LK_CSUM_UDP 6u
#define LK_CSUM_TCP 16u

/*
 * The MSS option of a TCP header of so many bytes: 1, and it is in t->option and its place in t->place; 0 if
 * there is none, -1 if it cannot be read. The place lies in memory, so that the verifier forgets between two
 * options what the first one was.
 */
static __always_inline int lk_find_mss(struct __sk_buff *skb, struct lk_translation *t, __u32 l4_off,
                                       __u32 header) {
    volatile __u32 *place = &t->place;
    *place = 20;
    for (int i = 0; i < 40; i++) {
        const __u32 at = *place;
        if (at + 4 > header) return 0;
        if (bpf_skb_load_bytes(skb, l4_off + at, t->option, 4)) return -1;
        const __u8 kind = t->option[0], bytes = t->option[1];
        if (kind == 2 && bytes == 4) return 1;
        if (kind == 0 || (kind != 1 && bytes < 2)) return 0;
        *place = at + (kind == 1 ? 1 : bytes);
    }
    return 0;
}

/* MSS option of a SYN: at most max_mss (RFC 9293 3.7.1). Absent, it stays absent: 536 or 1220 are small
 * enough. */
static __always_inline int lk_clamp_mss(struct __sk_buff *skb, struct lk_translation *t, __u32 l4_off) {
    if (bpf_skb_load_bytes(skb, l4_off + 12, t->option, 1)) return -1;
    const int found = lk_find_mss(skb, t, l4_off, (t->option[0] >> 4) * 4u);
    if (found <= 0) return found;

    const __u32 at = t->place;
    __be16 was = *(const __u16 *)(t->option + 2), is = LK_HTONS(t->max_mss), stored = is;
    if (LK_NTOHS(was) <= t->max_mss) return 0;
    if (at & 1) { /* the sum is over 16-bit words, and this one lies across two */
        was = __builtin_bswap16(was);
        is = __builtin_bswap16(is);
    }
    if (bpf_l4_csum_replace(skb, l4_off + LK_CSUM_TCP, was, is, 2)) return -1;
    return bpf_skb_store_bytes(skb, l4_off + at + 2, &stored, sizeof(stored), 0) ? -1 : 0;
}

/* Ports and everything that the upper layer's checksum covers: change is what the addresses do to it. */
static __always_inline int lk_translate_upper(struct __sk_buff *skb, const struct lk_translation *t,
                                              int from4, int to4, __u32 l4_off, __u32 change) {
    const int udp = t->proto == LK_PROTO_UDP;
    const __u32 csum = l4_off + (udp ? LK_CSUM_UDP : LK_CSUM_TCP);
    const __u64 flags = udp ? BPF_F_MARK_MANGLED_0 : 0;
    if (udp && from4 && !to4) {
        __be16 sum = 0;
        if (bpf_skb_load_bytes(skb, csum, &sum, sizeof(sum))) return -1;
        if (!sum) return -1; /* none, which IPv6 forbids (RFC 8200 8.1) */
    }
    if (bpf_l4_csum_replace(skb, csum, 0, change, flags | BPF_F_PSEUDO_HDR)) return -1;

    __be16 was[2] = {t->from.sport, t->from.dport}, is[2] = {t->to.sport, t->to.dport};
    __u32 was_both, is_both;
    __builtin_memcpy(&was_both, was, 4);
    __builtin_memcpy(&is_both, is, 4);
    if (bpf_l4_csum_replace(skb, csum, was_both, is_both, flags | 4)) return -1;
    return bpf_skb_store_bytes(skb, l4_off, is, sizeof(is), 0) ? -1 : 0;
}

static __always_inline int lk_translate_4to4(struct __sk_buff *skb, const struct lk_translation *t,
                                             __u32 change) {
    const __be32 new[2] = {t->to.src.w[3], t->to.dst.w[3]};
    if (bpf_l3_csum_replace(skb, t->l3_off + 10, 0, change, 0)) return -1;
    return bpf_skb_store_bytes(skb, t->l3_off + 12, new, sizeof(new), 0) ? -1 : 0;
}

static __always_inline int lk_translate_6to6(struct __sk_buff *skb, const struct lk_translation *t) {
    return bpf_skb_store_bytes(skb, t->l3_off + 8, &t->to.src, 32, 0) ? -1 : 0;
}

static __always_inline int lk_store_type(struct __sk_buff *skb, __u32 l3_off, __be16 type) {
    if (!l3_off) return 0;
    return bpf_skb_store_bytes(skb, l3_off - 2, &type, sizeof(type), 0) ? -1 : 0;
}

/* Traffic class, hop limit and length go over (RFC 7915 5.1); the flow label is lost. Never fragmented. */
static __always_inline int lk_translate_6to4(struct __sk_buff *skb, const struct lk_translation *t) {
    __u8 was[8];
    if (bpf_skb_load_bytes(skb, t->l3_off, was, sizeof(was))) return -1;
    __u32 payload = (__u32)was[4] << 8 | was[5];
    if (!payload || payload + 20 > 0xffff) return -1;
    if (bpf_skb_change_proto(skb, LK_HTONS(0x0800), 0)) return -1;
    struct iphdr ip = {
        .version = 4,
        .ihl = 5,
        .tos = (__u8)(was[0] << 4 | was[1] >> 4),
        .tot_len = LK_HTONS((__u16)(payload + 20)),
        .frag_off = LK_HTONS(0x4000),
        .ttl = was[7],
        .protocol = t->proto,
        .saddr = t->to.src.w[3],
        .daddr = t->to.dst.w[3],
    };
    ip.check = ~lk_csum_fold(lk_csum_words(&ip, 5));
    if (bpf_skb_store_bytes(skb, t->l3_off, &ip, sizeof(ip), 0)) return -1;
    return lk_store_type(skb, t->l3_off, LK_HTONS(0x0800));
}

/* The header that IPv6 has for a fragment and IPv4 has not (RFC 8200 4.5). */
struct lk_fragment6 {
    __u8 next;
    __u8 reserved;
    __be16 offset; /* in the upper 13 bits; the last one: more follow */
    __be32 id;
};

/* A fragment stays one (RFC 7915 4.1): its header goes in between. */
static __always_inline int lk_translate_4to6(struct __sk_buff *skb, const struct lk_translation *t) {
    __u8 was[20];
    if (bpf_skb_load_bytes(skb, t->l3_off, was, sizeof(was))) return -1;
    const __u32 total = (__u32)was[2] << 8 | was[3], place = (__u32)was[6] << 8 | was[7];
    if (total < 20 || was[0] != 0x45) return -1;
    if (bpf_skb_change_proto(skb, LK_HTONS(0x86dd), 0)) return -1;
    struct lk_fragment6 fragment = {
        .next = t->proto,
        .offset = LK_HTONS((__u16)(place << 3 | (place >> 13 & 1))),
        .id = LK_HTONL((__u32)was[4] << 8 | was[5]),
    };
    const __u32 more = t->part ? sizeof(fragment) : 0;
    struct ipv6hdr ip = {
        .version = 6,
        .priority = was[1] >> 4,
        .flow_lbl = {(__u8)(was[1] << 4)},
        .payload_len = LK_HTONS((__u16)(total - 20 + more)),
        .nexthdr = t->part ? LK_PROTO_FRAGMENT : t->proto,
        .hop_limit = was[8],
    };
    __builtin_memcpy(&ip.saddr, &t->to.src, 16);
    __builtin_memcpy(&ip.daddr, &t->to.dst, 16);
    if (bpf_skb_store_bytes(skb, t->l3_off, &ip, sizeof(ip), 0)) return -1;
    if (lk_store_type(skb, t->l3_off, LK_HTONS(0x86dd))) return -1;
    if (!t->part) return 0;
    if (bpf_skb_adjust_room(skb, sizeof(fragment), BPF_ADJ_ROOM_NET, 0)) return -1;
    return bpf_skb_store_bytes(skb, t->l3_off + sizeof(ip), &fragment, sizeof(fragment), 0) ? -1 : 0;
}

/* Not 0: the packet is spoilt, and its only way is the end. */
static __always_inline int lk_translate(struct __sk_buff *skb, struct lk_translation *t) {
    if (t->syn && t->max_mss && lk_clamp_mss(skb, t, t->l4_off)) return -1;
    const int from4 = lk_addr_mapped(&t->from.src), to4 = lk_addr_mapped(&t->to.src);
    /*
     * The mapped form's 0:0:ffff counts as zero in a sum modulo 0xffff, so that one difference of 32 bytes
     * serves all families.
     */
    const __u32 change = lk_csum_change(&t->from.src, &t->to.src, 8);
    if (t->part != LK_FRAG_TAIL && lk_translate_upper(skb, t, from4, to4, t->l4_off, change)) return -1;
    if (from4) return to4 ? lk_translate_4to4(skb, t, change) : lk_translate_4to6(skb, t);
    return to4 ? lk_translate_6to4(skb, t) : lk_translate_6to6(skb, t);
}

#endif
