/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * A query into the tunnel, an answer out of it: the table of nat.h and the translation of translate.h put
 * together. What may be carried was decided before (verdict.h); the caller sends what was carried, and drops
 * everything else. Whoever includes this declares the helpers of translate.h and these:
 *     lk_lookup_nat (the bucket of an index, or NULL), lk_nat_lock, lk_nat_unlock
 */
#ifndef LEAKBPF_BPF_CARRY_H
#define LEAKBPF_BPF_CARRY_H

#include "nat.h"
#include "parse.h"
#include "translate.h"

enum lk_carried {
    LK_CARRY_SPOILT = 0, /* not translated, perhaps half: drop */
    LK_CARRY_FULL,       /* no port left for this asker; the packet is untouched */
    LK_CARRY_STRAY,      /* no connection that could go on; the packet is untouched */
    LK_CARRY_DONE,
};

/*
 * One packet's case: what the caller knows of it, and room to work in. In the kernel it lies in a map and not
 * on the stack (512 bytes for a whole chain of calls), and its contents are numbers of which the verifier
 * knows nothing, so that it walks what is done with them once.
 */
struct lk_carry {
    struct lk_pkt pkt;
    struct lk_way way; /* of a query; of an answer only max_mss */
    __u32 ifindex;     /* the device by which a query wants to leave; the tunnel by which an answer came */
    __u32 uid;         /* of a query's sender, or 0 */
    __u32 l3;          /* that device has no MAC header */
    __u32 now;         /* ticks */
    __u32 index;       /* of the bucket; from here on the room to work in */
    __u32 slot;
    __u32 tag;
    __u32 who;
    struct lk_nat_flow flow; /* of an answer: whom it is for */
    struct lk_translation t;
};

static __always_inline void lk_carry_mss(struct lk_carry *c) {
    c->t.l3_off = c->pkt.l3_off;
    c->t.proto = c->pkt.proto;
    c->t.syn = c->pkt.proto == LK_PROTO_TCP && (c->pkt.tcp_flags & LK_TCP_SYN);
    c->t.max_mss = c->way.max_mss;
}

static __always_inline enum lk_nat_result lk_carry_reserve(struct lk_carry *c) {
    struct lk_nat_bucket *bucket = lk_lookup_nat(c->index);
    if (!bucket) return LK_NAT_FULL;
    int opens = c->pkt.proto == LK_PROTO_UDP || (c->pkt.tcp_flags & LK_TCP_SYN);
    __u32 slot = 0;
    lk_nat_lock(bucket);
    enum lk_nat_result given =
        lk_nat_give(bucket, c->pkt.proto, opens, c->tag, c->who, c->now, &c->flow, &slot);
    lk_nat_unlock(bucket);
    c->slot = slot;
    return given;
}

/* c->pkt: a whole TCP or UDP packet to port 53, without IP options or extensions. */
static __always_inline enum lk_carried lk_carry_query(struct __sk_buff *skb, struct lk_carry *c) {
    struct lk_nat_flow *flow = &c->flow;
    __builtin_memset(flow, 0, sizeof(*flow));
    flow->asker = c->pkt.src;
    flow->server = c->pkt.dst;
    flow->source = c->way.source;
    flow->resolver = c->way.resolver;
    flow->asker_port = c->pkt.sport;
    flow->resolver_port = c->way.port;
    flow->ifindex = c->ifindex;
    flow->tunnel = c->way.ifindex;
    flow->l3 = c->l3 != 0;
    if (!c->l3 && bpf_skb_load_bytes(skb, 0, flow->macs, sizeof(flow->macs))) return LK_CARRY_SPOILT;

    c->tag = lk_nat_tag(flow);
    c->who = lk_nat_who(flow, c->uid);
    c->index = lk_nat_bucket_index(c->pkt.proto, c->tag);
    enum lk_nat_result given = lk_carry_reserve(c);
    if (given == LK_NAT_FULL) return LK_CARRY_FULL;
    if (given == LK_NAT_STRAY) return LK_CARRY_STRAY;

    struct lk_translation *t = &c->t;
    t->from.src = c->pkt.src;
    t->from.dst = c->pkt.dst;
    t->from.sport = c->pkt.sport;
    t->from.dport = LK_HTONS(53);
    t->to.src = c->way.source;
    t->to.dst = c->way.resolver;
    t->to.sport = lk_nat_port(c->tag, c->slot);
    t->to.dport = c->way.port;
    lk_carry_mss(c);
    return lk_translate(skb, t) ? LK_CARRY_SPOILT : LK_CARRY_DONE;
}

/* Is this packet, which came in by the tunnel, an answer that somebody waits for? Then for whom is in
 * c->flow. */
static __always_inline int lk_carry_find(struct lk_carry *c) {
    const struct lk_pkt *pkt = &c->pkt;
    if (pkt->shape != LK_SHAPE_IP || pkt->frag != LK_WHOLE) return 0;
    if (pkt->proto != LK_PROTO_TCP && pkt->proto != LK_PROTO_UDP) return 0;
    if (pkt->l4_off != pkt->l3_off + (pkt->family == 4 ? 20 : 40)) return 0;
    if (!lk_nat_place(pkt->proto, pkt->dport, &c->index, &c->slot)) return 0;
    struct lk_nat_bucket *bucket = lk_lookup_nat(c->index);
    if (!bucket) return 0;
    __u32 slot = c->slot;
    lk_nat_lock(bucket);
    int found = lk_nat_answer(bucket, slot, pkt->proto, c->now, c->ifindex, &pkt->src, pkt->sport, &pkt->dst,
                              &c->flow);
    lk_nat_unlock(bucket);
    return found;
}

/* The answer as from the server that was asked: after lk_carry_find. SPOILT or DONE. */
static __always_inline enum lk_carried lk_carry_answer(struct __sk_buff *skb, struct lk_carry *c) {
    struct lk_translation *t = &c->t;
    t->from.src = c->pkt.src;
    t->from.dst = c->pkt.dst;
    t->from.sport = c->pkt.sport;
    t->from.dport = c->pkt.dport;
    t->to.src = c->flow.server;
    t->to.dst = c->flow.asker;
    t->to.sport = LK_HTONS(53);
    t->to.dport = c->flow.asker_port;
    lk_carry_mss(c);
    return lk_translate(skb, t) ? LK_CARRY_SPOILT : LK_CARRY_DONE;
}

#endif
