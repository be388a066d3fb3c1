/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * A query into the tunnel: the table of nat.h and the translation of translate.h put together. What may be
 * carried was decided before (verdict.h); the caller sends what was carried, and drops everything else. The
 * way back is in back.h. Whoever includes this declares the helpers of translate.h and these:
 *     lk_lookup_nat (the bucket of an index, or NULL), lk_nat_lock, lk_nat_unlock
 */
#ifndef LEAKBPF_BPF_CARRY_H
#define LEAKBPF_BPF_CARRY_H

#include <linux/ip.h>
#include <linux/ipv6.h>

#include "nat.h"
#include "parse.h"
#include "translate.h"

/* What an ICMP error quotes: the packet as it was sent into the tunnel. */
struct lk_quote {
    struct lk_addr src;
    struct lk_addr dst;
    __be16 sport;
    __be16 dport;
    __u32 rest;  /* the next four bytes: of UDP length and checksum, of TCP the sequence number */
    __u16 total; /* bytes of the whole IP packet that it says */
    __u8 proto;
    __u8 hops;
    __u8 icmp[8]; /* the error's own header */
};

/* An error as it is told to the asker. Its quote is as short as may be (RFC 792; RFC 4443 2.4 c). */
union lk_error {
    struct {
        struct iphdr ip;
        __u8 icmp[8];
        struct iphdr quoted;
        __be16 ports[2];
        __u32 rest;
    } four;
    struct {
        struct ipv6hdr ip;
        __u8 icmp[8];
        struct ipv6hdr quoted;
        __be16 ports[2];
        __u32 rest;
    } six;
};

enum lk_carried {
    LK_CARRY_SPOILT = 0, /* not translated, perhaps half: drop */
    LK_CARRY_FULL,       /* no port left for this asker; the packet is untouched */
    LK_CARRY_STRAY,      /* no connection that could go on; the packet is untouched */
    LK_CARRY_DONE,
    LK_CARRY_NEW, /* not like the last query of its flow: to be admitted */
};

/*
 * One packet's case: what the caller knows of it, and room to work in. In the kernel it lies in a map and not
 * on the stack (512 bytes for a whole chain of calls), and its contents are numbers of which the verifier
 * knows nothing, so that it walks what is done with them once.
 */
struct lk_carry {
    struct lk_pkt pkt;
    struct lk_way way; /* of a query */
    __u64 sender;      /* of a new query: nat.h */
    __u32 ifindex;     /* the device by which a query wants to leave; the tunnel by which an answer came */
    __u32 l3;          /* that device has no MAC header */
    __u32 link;        /* bytes of it, on a tunnel */
    __u32 now;         /* ticks */
    __u32 mtu;         /* of a query that is refused for its size: what would be taken, or 0 */
    __u32 index;       /* of the bucket; from here on the room to work in */
    __u32 slot;
    __u32 tag;
    __u32 who;
    struct lk_nat_flow flow; /* of an answer: whom it is for */
    struct lk_translation t;
    __u32 sent; /* ifindex of the tunnel by which a query just went as t.to says; 0: t is about something else
                 */
    struct lk_part_key part; /* of a fragment */
    struct lk_part noted;
    struct lk_quote quote; /* of an error */
    union lk_error error;
};

/* All but who talks to whom. tunnel: an address of the tunnel's side, whose family's headers count. */
static __always_inline void lk_carry_rest(struct lk_carry *c, const struct lk_addr *tunnel, __u32 mtu) {
    const __u32 headers = lk_addr_mapped(tunnel) ? 40 : 60;
    c->t.l3_off = c->pkt.l3_off;
    c->t.l4_off = c->pkt.l4_off;
    c->t.proto = c->pkt.proto;
    c->t.part = c->pkt.frag;
    c->t.syn = c->pkt.frag == LK_WHOLE && c->pkt.proto == LK_PROTO_TCP && (c->pkt.tcp_flags & LK_TCP_SYN);
    c->t.max_mss = mtu > headers ? mtu - headers : 0;
}

static __always_inline enum lk_nat_result lk_carry_reserve(struct lk_carry *c) {
    struct lk_nat_bucket *bucket = lk_lookup_nat(c->index);
    if (!bucket) return LK_NAT_FULL;
    /* A SYN-ACK opens nothing: it is what whoever sends from port 53 to a service here gets for an answer. */
    int opens = c->pkt.proto == LK_PROTO_UDP || (c->pkt.tcp_flags & (LK_TCP_SYN | LK_TCP_ACK)) == LK_TCP_SYN;
    __u32 slot = 0;
    lk_nat_lock(bucket);
    enum lk_nat_result given =
        lk_nat_give(bucket, c->pkt.proto, opens, c->tag, c->who, c->now, &c->flow, &slot);
    lk_nat_unlock(bucket);
    c->slot = slot;
    return given;
}

/*
 * Bytes of the largest packet that the tunnel takes of this asker, if it does not take this one; otherwise 0.
 * bytes: of the IP packet; segment: of the payload of each packet that it will be cut into, or 0.
 */
static __always_inline __u32 lk_carry_too_big(struct __sk_buff *skb, const struct lk_carry *c,
                                              __u32 segment) {
    const int to4 = lk_addr_mapped(&c->way.resolver), from4 = c->pkt.family == 4;
    __u32 bytes = skb->len - c->pkt.l3_off;
    if (!c->way.mtu) return 0;
    if (segment) {
        __u8 offset = 0x20; /* UDP: eight bytes */
        if (c->pkt.proto == LK_PROTO_TCP && bpf_skb_load_bytes(skb, c->pkt.l4_off + 12, &offset, 1)) return 0;
        bytes = c->pkt.l4_off - c->pkt.l3_off + (offset >> 4) * 4u + segment;
    }
    const __u32 most = c->way.mtu + (to4 && !from4 ? 20u : 0u);
    return bytes > most ? most : 0;
}

/*
 * The flow of this query, and its port if it goes on as the last one did. SPOILT (but whole), NEW or DONE.
 * c->pkt: a whole TCP or UDP packet to port 53, without IP options or extensions.
 */
static __always_inline enum lk_carried lk_carry_resume(struct __sk_buff *skb, struct lk_carry *c) {
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
    flow->mtu = c->way.mtu;
    if (!c->l3 && bpf_skb_load_bytes(skb, 0, flow->macs, sizeof(flow->macs))) return LK_CARRY_SPOILT;

    c->tag = lk_nat_tag(flow);
    c->index = lk_nat_bucket_index(c->pkt.proto, c->tag);
    c->slot = lk_nat_home(c->tag);
    struct lk_nat_bucket *bucket = lk_lookup_nat(c->index);
    if (!bucket) return LK_CARRY_NEW;
    lk_nat_lock(bucket);
    int again = lk_nat_again(bucket, c->tag, c->now, flow);
    lk_nat_unlock(bucket);
    return again ? LK_CARRY_DONE : LK_CARRY_NEW;
}

/* A port for a query that lk_carry_resume calls new, from c->sender's share. FULL, STRAY or DONE. */
static __always_inline enum lk_carried lk_carry_admit(struct lk_carry *c) {
    c->who = lk_nat_who(&c->flow, c->sender);
    enum lk_nat_result given = lk_carry_reserve(c);
    if (given == LK_NAT_FULL) return LK_CARRY_FULL;
    return given == LK_NAT_STRAY ? LK_CARRY_STRAY : LK_CARRY_DONE;
}

/* Not 0: a query that was sent on before, by whichever scope's way, and leaves by this tunnel now. */
static __always_inline int lk_carry_is_ours(struct lk_carry *c) {
    const struct lk_pkt *pkt = &c->pkt;
    if (!lk_nat_place(pkt->proto, pkt->sport, &c->index, &c->slot)) return 0;
    struct lk_nat_bucket *bucket = lk_lookup_nat(c->index);
    if (!bucket) return 0;
    __u32 slot = c->slot;
    lk_nat_lock(bucket);
    int ours = lk_nat_sent(bucket, slot, pkt->proto, c->now, c->ifindex, &pkt->src, &pkt->dst, pkt->dport);
    lk_nat_unlock(bucket);
    return ours;
}

/* The query as it goes to the resolver: after a port was given. SPOILT or DONE. */
static __always_inline enum lk_carried lk_carry_send(struct __sk_buff *skb, struct lk_carry *c) {
    struct lk_translation *t = &c->t;
    t->from.src = c->pkt.src;
    t->from.dst = c->pkt.dst;
    t->from.sport = c->pkt.sport;
    t->from.dport = LK_HTONS(53);
    t->to.src = c->way.source;
    t->to.dst = c->way.resolver;
    t->to.sport = lk_nat_port(c->tag, c->slot);
    t->to.dport = c->way.port;
    c->sent = c->way.ifindex;
    lk_carry_rest(c, &c->way.resolver, c->way.mtu);
    return lk_translate(skb, t) ? LK_CARRY_SPOILT : LK_CARRY_DONE;
}

#endif
