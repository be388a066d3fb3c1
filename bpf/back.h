/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * What comes back by a tunnel: answers, whole or in fragments, and ICMP errors about queries. First it is
 * found whom a packet is for (if for anybody: everything else is none of ours), then it is made into what
 * the asker waits for. Whoever includes this declares the helpers of translate.h, bpf_skb_change_tail, what
 * carry.h wants, and these:
 *     lk_lookup_part (the entry of a key, or NULL), lk_note_part
 */
#ifndef LEAKBPF_BPF_BACK_H
#define LEAKBPF_BPF_BACK_H

#include "carry.h"

/* So long after the first fragment the others are taken. */
#define LK_PART_LIFE LK_NAT_SECONDS(30)

/* The flow that a packet from the resolver's address and port to this port of ours is for; not 0: found. */
static __always_inline int lk_back_flow(struct lk_carry *c, const struct lk_leg *leg, __u8 proto, int keep) {
    if (!lk_nat_place(proto, leg->dport, &c->index, &c->slot)) return 0;
    struct lk_nat_bucket *bucket = lk_lookup_nat(c->index);
    if (!bucket) return 0;
    __u32 slot = c->slot;
    lk_nat_lock(bucket);
    int found = lk_nat_answer(bucket, slot, proto, c->now, c->ifindex, &leg->src, leg->sport, &leg->dst, keep,
                              &c->flow);
    lk_nat_unlock(bucket);
    return found;
}

static __always_inline void lk_back_part_key(struct lk_carry *c) {
    c->part.src = c->pkt.src;
    c->part.dst = c->pkt.dst;
    c->part.id = c->pkt.frag_id;
    c->part.tunnel = c->ifindex;
    c->part.proto = c->pkt.frag_proto;
}

/* Is this packet, which came in by the tunnel, (part of) an answer that somebody waits for? Then for whom is
 * in c->flow. */
static __always_inline int lk_back_find(struct lk_carry *c) {
    const struct lk_pkt *pkt = &c->pkt;
    if (pkt->shape != LK_SHAPE_IP) return 0;
    if (pkt->proto != LK_PROTO_TCP && pkt->proto != LK_PROTO_UDP) return 0;
    if (pkt->frag != LK_WHOLE) lk_back_part_key(c);
    if (pkt->frag == LK_FRAG_TAIL) {
        const struct lk_part *part = lk_lookup_part(&c->part);
        if (!part || (__s32)(part->until - c->now) < 0) return 0;
        c->flow = part->flow;
        return 1;
    }
    __u32 header = pkt->family == 4 ? 20 : pkt->frag == LK_WHOLE ? 40 : 48;
    if (pkt->l4_off != pkt->l3_off + header) return 0;
    c->t.from.src = pkt->src;
    c->t.from.dst = pkt->dst;
    c->t.from.sport = pkt->sport;
    c->t.from.dport = pkt->dport;
    if (!lk_back_flow(c, &c->t.from, pkt->proto, 1)) return 0;
    if (pkt->frag == LK_FRAG_FIRST) lk_note_part(c);
    return 1;
}

/* The answer as from the server that was asked: after lk_back_find. SPOILT or DONE. */
static __always_inline enum lk_carried lk_back_answer(struct __sk_buff *skb, struct lk_carry *c) {
    struct lk_translation *t = &c->t;
    t->from.src = c->pkt.src;
    t->from.dst = c->pkt.dst;
    t->from.sport = c->pkt.sport;
    t->from.dport = c->pkt.dport;
    t->to.src = c->flow.server;
    t->to.dst = c->flow.asker;
    t->to.sport = LK_HTONS(53);
    t->to.dport = c->flow.asker_port;
    c->sent = 0;
    lk_carry_rest(c, &c->flow.resolver, c->flow.mtu);
    return lk_translate(skb, t) ? LK_CARRY_SPOILT : LK_CARRY_DONE;
}

/* RFC 792: unreachable, time exceeded, parameter problem. RFC 4443: the same and packet too big. */
static __always_inline int lk_is_error(const struct lk_pkt *pkt) {
    if (pkt->shape != LK_SHAPE_IP || pkt->frag != LK_WHOLE) return 0;
    if (pkt->family == 4)
        return pkt->proto == LK_PROTO_ICMP && (pkt->type == 3 || pkt->type == 11 || pkt->type == 12);
    return pkt->proto == LK_PROTO_ICMPV6 && pkt->type >= 1 && pkt->type <= 4;
}

/* Not 0: the error and what it quotes are in c->quote. */
static __always_inline int lk_back_quote(struct __sk_buff *skb, struct lk_carry *c) {
    struct lk_quote *q = &c->quote;
    const __u32 at = c->pkt.l4_off + 8;
    __u8 ip[40], upper[8];
    if (bpf_skb_load_bytes(skb, c->pkt.l4_off, q->icmp, sizeof(q->icmp))) return 0;
    if (c->pkt.family == 4) {
        if (bpf_skb_load_bytes(skb, at, ip, 20) || bpf_skb_load_bytes(skb, at + 20, upper, 8)) return 0;
        if (ip[0] != 0x45 || (ip[6] & 0x3f) || ip[7]) return 0;
        lk_load_addr4(&q->src, ip + 12);
        lk_load_addr4(&q->dst, ip + 16);
        q->total = (__u16)(ip[2] << 8 | ip[3]);
        q->proto = ip[9];
        q->hops = ip[8];
    } else {
        if (bpf_skb_load_bytes(skb, at, ip, 40) || bpf_skb_load_bytes(skb, at + 40, upper, 8)) return 0;
        if (ip[0] >> 4 != 6) return 0;
        lk_load_addr6(&q->src, ip + 8);
        lk_load_addr6(&q->dst, ip + 24);
        q->total = (__u16)((ip[4] << 8 | ip[5]) + 40);
        q->proto = ip[6];
        q->hops = ip[7];
    }
    if (q->proto != LK_PROTO_TCP && q->proto != LK_PROTO_UDP) return 0;
    q->sport = lk_load16(upper);
    q->dport = lk_load16(upper + 2);
    q->rest = lk_load32(upper + 4);
    return 1;
}

/* Is it an error about a query that is on its way? */
static __always_inline int lk_back_find_error(struct __sk_buff *skb, struct lk_carry *c) {
    if (!lk_is_error(&c->pkt) || !lk_back_quote(skb, c)) return 0;
    const struct lk_quote *q = &c->quote;
    c->t.from.src = q->dst;
    c->t.from.dst = q->src;
    c->t.from.sport = q->dport;
    c->t.from.dport = q->sport;
    return lk_back_flow(c, &c->t.from, q->proto, 0) && lk_addr_equal(&c->pkt.dst, &c->flow.source);
}

/* From ICMP to ICMPv6, in place (RFC 7915 4.2). Not 0: it has no meaning there. */
static __always_inline int lk_back_icmp6(__u8 *icmp) {
    const __u8 type = icmp[0], code = icmp[1];
    __u32 rest = 0;
    if (type == 11) {
        icmp[0] = 3;
    } else if (type == 3 && code == 4) {
        rest = ((__u32)icmp[6] << 8 | icmp[7]) + 20;
        if (rest < 1280) rest = 1280;
        icmp[0] = 2;
        icmp[1] = 0;
    } else if (type == 3 && code != 2) {
        icmp[0] = 1;
        icmp[1] = code == 3 ? 4 : code == 9 || code == 10 || code == 13 || code == 15 ? 1 : 0;
    } else {
        return -1;
    }
    icmp[4] = icmp[5] = 0;
    icmp[6] = rest >> 8;
    icmp[7] = rest;
    return 0;
}

static __always_inline void lk_back_error4(struct lk_carry *c) {
    const struct lk_quote *q = &c->quote;
    __builtin_memset(&c->error, 0, sizeof(c->error.four));
    struct iphdr *ip = &c->error.four.ip, *quoted = &c->error.four.quoted;
    ip->version = quoted->version = 4;
    ip->ihl = quoted->ihl = 5;
    ip->frag_off = quoted->frag_off = LK_HTONS(0x4000);
    ip->tot_len = LK_HTONS(sizeof(c->error.four));
    quoted->tot_len = LK_HTONS(q->total);
    ip->ttl = 64;
    quoted->ttl = q->hops;
    ip->protocol = LK_PROTO_ICMP;
    quoted->protocol = q->proto;
    ip->saddr = quoted->daddr = c->flow.server.w[3];
    ip->daddr = quoted->saddr = c->flow.asker.w[3];
    ip->check = ~lk_csum_fold(lk_csum_words(ip, 5));
    quoted->check = ~lk_csum_fold(lk_csum_words(quoted, 5));
    __builtin_memcpy(c->error.four.icmp, q->icmp, 8);
    c->error.four.icmp[2] = c->error.four.icmp[3] = 0;
    c->error.four.ports[0] = c->flow.asker_port;
    c->error.four.ports[1] = LK_HTONS(53);
    c->error.four.rest = q->rest;
    const __u16 sum = ~lk_csum_fold(lk_csum_words(c->error.four.icmp, 9));
    __builtin_memcpy(c->error.four.icmp + 2, &sum, 2);
}

static __always_inline void lk_back_error6(struct lk_carry *c, int from4) {
    const struct lk_quote *q = &c->quote;
    const __u16 payload = sizeof(c->error.six) - sizeof(struct ipv6hdr);
    __builtin_memset(&c->error, 0, sizeof(c->error.six));
    struct ipv6hdr *ip = &c->error.six.ip, *quoted = &c->error.six.quoted;
    ip->version = quoted->version = 6;
    ip->payload_len = LK_HTONS(payload);
    quoted->payload_len = LK_HTONS((__u16)(q->total - (from4 ? 20 : 40)));
    ip->hop_limit = 64;
    quoted->hop_limit = q->hops;
    ip->nexthdr = LK_PROTO_ICMPV6;
    quoted->nexthdr = q->proto;
    __builtin_memcpy(&ip->saddr, &c->flow.server, 16);
    __builtin_memcpy(&ip->daddr, &c->flow.asker, 16);
    __builtin_memcpy(&quoted->saddr, &c->flow.asker, 16);
    __builtin_memcpy(&quoted->daddr, &c->flow.server, 16);
    __builtin_memcpy(c->error.six.icmp, q->icmp, 8);
    c->error.six.icmp[2] = c->error.six.icmp[3] = 0;
    c->error.six.ports[0] = c->flow.asker_port;
    c->error.six.ports[1] = LK_HTONS(53);
    c->error.six.rest = q->rest;
    __u64 sum = lk_csum_pseudo(&c->flow.server, &c->flow.asker, LK_PROTO_ICMPV6, payload);
    const __u16 folded = ~lk_csum_fold(sum + lk_csum_words(c->error.six.icmp, 14));
    __builtin_memcpy(c->error.six.icmp + 2, &folded, 2);
}

/*
 * The error as the asker would have it from the server that was asked, made anew: after lk_back_find_error.
 * The quoted checksums are not its own packet's, which nobody compares. SPOILT or DONE.
 */
static __always_inline enum lk_carried lk_back_error(struct __sk_buff *skb, struct lk_carry *c) {
    const int from4 = c->pkt.family == 4, to4 = lk_addr_mapped(&c->flow.asker);
    const __u32 l3_off = c->pkt.l3_off, grows = from4 && !to4 ? 20 : 0;
    const __u32 bytes = to4 ? sizeof(c->error.four) : sizeof(c->error.six);
    if (to4 && !from4) return LK_CARRY_SPOILT; /* no query goes from IPv4 to IPv6 */
    if (grows && lk_back_icmp6(c->quote.icmp)) return LK_CARRY_SPOILT;
    if (to4)
        lk_back_error4(c);
    else
        lk_back_error6(c, from4);
    if (bpf_skb_change_tail(skb, l3_off + bytes - grows, 0)) return LK_CARRY_SPOILT;
    if (grows && bpf_skb_change_proto(skb, LK_HTONS(0x86dd), 0)) return LK_CARRY_SPOILT;
    if (lk_store_type(skb, l3_off, to4 ? LK_HTONS(0x0800) : LK_HTONS(0x86dd))) return LK_CARRY_SPOILT;
    long stored = to4 ? bpf_skb_store_bytes(skb, l3_off, &c->error, sizeof(c->error.four), 0)
                      : bpf_skb_store_bytes(skb, l3_off, &c->error, sizeof(c->error.six), 0);
    return stored ? LK_CARRY_SPOILT : LK_CARRY_DONE;
}

#endif
