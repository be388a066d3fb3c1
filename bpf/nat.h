/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * The table of queries on their way: which port a flow has, and which flow a port has. Works on one bucket in
 * memory; the caller finds it, holds its lock around each call here (no helper may be called under it), and
 * says what time it is. Knows no packet and no policy.
 *
 * A slot is free when it was never used or has been idle for longer than a query lives. An asker takes a free
 * slot; one that holds its share of a bucket, or finds none free, overwrites its own oldest. Nobody
 * overwrites another's, so that a flood costs only the one who makes it. Askers behind one device that are
 * masqueraded cannot be told apart: of theirs only one that has rested for a while is overwritten. A flow
 * that finds the place free that its hash names takes that one, where its next query is found without a
 * search.
 *
 * The searches are without branches: with them, the verifier walks what follows once for each slot. From
 * Linux 6.18 on it makes a branch also of a mask (0 or -1) that is ANDed with a constant, so places are
 * multiplied.
 */
#ifndef LEAKBPF_BPF_NAT_H
#define LEAKBPF_BPF_NAT_H

#include <linux/bpf.h>

#include "base.h"
#include "proto.h"

/* Time in units of 2^20 ns, a little more than a millisecond. */
#define LK_NAT_TICKS(now_ns) ((__u32)((now_ns) >> 20))
#define LK_NAT_SECONDS(s)    ((__u32)((__u64)(s)*1000000000ull >> 20))

/* Idle for so long, a slot is free. */
#define LK_NAT_IDLE_UDP LK_NAT_SECONDS(5)
#define LK_NAT_IDLE_TCP LK_NAT_SECONDS(120)
/* An answer so long after the last query is none: a slot keeps its flow until another takes it. */
#define LK_NAT_LIFE_UDP LK_NAT_SECONDS(30)

/* Idle for so long, one of several askers that cannot be told apart overwrites it. */
#define LK_NAT_REST_UDP LK_NAT_SECONDS(2)
#define LK_NAT_REST_TCP LK_NAT_SECONDS(10)

#define LK_NAT_NONE (~0u)

/* Senders that are no user: of a packet without a socket, | the device by which it came; of a socket that
 * nobody has marked. */
#define LK_NAT_FORWARDED (1ull << 32)
#define LK_NAT_UNKNOWN   (1ull << 33)

struct lk_nat_bucket {
    struct bpf_spin_lock lock;
    __u32 tag[LK_NAT_SLOTS];  /* hash of the flow; 0: never used */
    __u32 who[LK_NAT_SLOTS];  /* hash of the asker: his share is counted by it */
    __u32 used[LK_NAT_SLOTS]; /* ticks */
    struct lk_nat_flow flow[LK_NAT_SLOTS];
};

static __always_inline __u32 lk_nat_mix(__u64 *state, __u64 word) {
    *state = (*state ^ word) * 0x9e3779b97f4a7c15ull;
    *state ^= *state >> 29;
    return *state >> 32;
}

static __always_inline __u32 lk_nat_hash_addr(__u64 *state, const struct lk_addr *addr) {
    lk_nat_mix(state, (__u64)addr->w[0] << 32 | addr->w[1]);
    return lk_nat_mix(state, (__u64)addr->w[2] << 32 | addr->w[3]);
}

/* Whose share a flow counts against: the asking address and the sender, a uid or one of those above. The
 * lowest bit: it may be several askers'. */
static __always_inline __u32 lk_nat_who(const struct lk_nat_flow *flow, __u64 sender) {
    __u64 state = sender;
    return (lk_nat_hash_addr(&state, &flow->asker) & ~1u) | (sender & LK_NAT_FORWARDED ? 1 : 0);
}

/* Never 0. The low bits name the bucket. Another way to another resolver is another flow, so that the answer
 * to a query before it still arrives. */
static __always_inline __u32 lk_nat_tag(const struct lk_nat_flow *flow) {
    __u64 state = (__u64)flow->ifindex << 16 | flow->asker_port;
    lk_nat_mix(&state, (__u64)flow->resolver.w[3] << 32 | flow->tunnel);
    lk_nat_hash_addr(&state, &flow->asker);
    __u32 hash = lk_nat_hash_addr(&state, &flow->server);
    return hash | 0x80000000u;
}

static __always_inline __u32 lk_nat_bucket_index(__u8 proto, __u32 tag) {
    return (proto == LK_PROTO_TCP ? LK_NAT_BUCKETS : 0) + (tag & (LK_NAT_BUCKETS - 1));
}

/* The slot that a flow takes if it can. */
static __always_inline __u32 lk_nat_home(__u32 tag) {
    return tag / LK_NAT_BUCKETS & (LK_NAT_SLOTS - 1);
}

static __always_inline __be16 lk_nat_port(__u32 tag, __u32 slot) {
    return LK_HTONS((__u16)(LK_NAT_FIRST_PORT + (tag & (LK_NAT_BUCKETS - 1)) * LK_NAT_SLOTS + slot));
}

/* A port that translated queries go out from. */
static __always_inline int lk_is_nat_port(__be16 port) {
    return (__u32)LK_NTOHS(port) - LK_NAT_FIRST_PORT < LK_NAT_BUCKETS * LK_NAT_SLOTS;
}

/* The bucket and slot that a port stands for; 0: it is none of ours. */
static __always_inline int lk_nat_place(__u8 proto, __be16 port, __u32 *bucket, __u32 *slot) {
    if (!lk_is_nat_port(port)) return 0;
    __u32 place = (__u32)LK_NTOHS(port) - LK_NAT_FIRST_PORT;
    *bucket = lk_nat_bucket_index(proto, place / LK_NAT_SLOTS);
    *slot = place % LK_NAT_SLOTS;
    return 1;
}

/* 1 if they are one flow: the same asker and server, by the same way to the same resolver. */
static __always_inline __u64 lk_nat_same(const struct lk_nat_flow *a, const struct lk_nat_flow *b) {
    __u32 differ = (a->asker_port ^ b->asker_port) | (a->ifindex ^ b->ifindex) | (a->tunnel ^ b->tunnel) |
                   (a->resolver_port ^ b->resolver_port);
    for (int i = 0; i < 4; i++)
        differ |= (a->asker.w[i] ^ b->asker.w[i]) | (a->server.w[i] ^ b->server.w[i]) |
                  (a->source.w[i] ^ b->source.w[i]) | (a->resolver.w[i] ^ b->resolver.w[i]);
    return lk_zero(differ);
}

/* Ticks. Another CPU may have used it after this one looked at the clock. */
static __always_inline __u32 lk_nat_age(__u32 now, __u32 used) {
    const __u32 age = now - used;
    return age * lk_less(age, -LK_NAT_SECONDS(60));
}

/*
 * A query like the last one of its flow, to the device's addresses, by the same way to the same resolver,
 * that finds it at home: not 0, and it goes on from the home slot. Everything else is for lk_nat_give.
 */
static __always_inline int lk_nat_again(struct lk_nat_bucket *bucket, __u32 tag, __u32 now,
                                        const struct lk_nat_flow *flow) {
    const __u32 home = lk_nat_home(tag);
    if (bucket->tag[home] != tag) return 0;
    const __u64 *there = (const __u64 *)&bucket->flow[home], *here = (const __u64 *)flow;
    __u64 differ = 0;
    for (__u32 i = 0; i < sizeof(*flow) / sizeof(*here); i++)
        differ |= there[i] ^ here[i];
    if (differ) return 0;
    bucket->used[home] = now;
    return 1;
}

/* The slot that holds this flow, or LK_NAT_NONE. */
static __always_inline __u32 lk_nat_find(const struct lk_nat_bucket *bucket, __u32 tag,
                                         const struct lk_nat_flow *flow) {
    __u64 found = 0, any = 0;
    for (__u32 i = 0; i < LK_NAT_SLOTS; i++) {
        __u64 hit = lk_zero(bucket->tag[i] ^ tag);
        found += i * hit;
        any += hit;
    }
    /* Two slots never have one tag: lk_nat_take looks here first. */
    found &= LK_NAT_SLOTS - 1;
    return any && lk_nat_same(&bucket->flow[found], flow) ? (__u32)found : LK_NAT_NONE;
}

/*
 * A slot for a flow that has none, or LK_NAT_NONE: all are taken by others. Two flows of one tag cannot be
 * told apart, so the second takes the place of the first if both are one asker's, and gets none otherwise.
 */
static __always_inline __u32 lk_nat_take(const struct lk_nat_bucket *bucket, __u8 proto, __u32 tag, __u32 who,
                                         __u32 now) {
    const __u32 home = lk_nat_home(tag);
    const __u32 idle = proto == LK_PROTO_TCP ? LK_NAT_IDLE_TCP : LK_NAT_IDLE_UDP;
    const __u32 rest = (proto == LK_PROTO_TCP ? LK_NAT_REST_TCP : LK_NAT_REST_UDP) * (who & 1);
    __u64 own_count = 0, own = 0, open = 0, twin = 0, any_twin = 0;
    for (__u32 i = 0; i < LK_NAT_SLOTS; i++) {
        __u64 age = lk_nat_age(now, bucket->used[i]);
        __u64 never = lk_zero(bucket->tag[i]);
        __u64 is_free = lk_less(0, never + lk_less(idle, age));
        __u64 is_own = lk_less(is_free, lk_zero(bucket->who[i] ^ who));
        __u64 is_twin = lk_zero(bucket->tag[i] ^ tag);
        /* The one that has rested longest, so that late answers of its last flow are over; and its place. */
        __u64 score = ((never << 32) + age + 1) * LK_NAT_SLOTS + i;
        own += (score - own) * lk_less(own, score * is_own * lk_less(rest, age + 1));
        own_count += is_own;
        /* Home, if nobody can still wait for an answer there. */
        score += (lk_zero(i ^ home) * lk_less(0, never + lk_less(LK_NAT_LIFE_UDP, age))) << 48;
        open += (score - open) * lk_less(open, score * is_free);
        twin += i * is_twin;
        any_twin += is_twin;
    }
    if (any_twin) {
        twin &= LK_NAT_SLOTS - 1;
        __u32 age = lk_nat_age(now, bucket->used[twin]);
        return (bucket->who[twin] == who && age >= rest) || age > idle ? (__u32)twin : LK_NAT_NONE;
    }
    if (own_count < LK_NAT_SHARE && open) return open % LK_NAT_SLOTS;
    return own ? own % LK_NAT_SLOTS : LK_NAT_NONE;
}

static __always_inline void lk_nat_put(struct lk_nat_bucket *bucket, __u32 slot, __u32 tag, __u32 who,
                                       __u32 now, const struct lk_nat_flow *flow) {
    slot &= LK_NAT_SLOTS - 1;
    bucket->tag[slot] = tag;
    bucket->who[slot] = who;
    bucket->used[slot] = now;
    bucket->flow[slot] = *flow;
}

/* What came of asking for a slot. */
enum lk_nat_result {
    LK_NAT_FULL = 0, /* no slot */
    LK_NAT_STRAY,    /* a TCP segment of no connection that is known, or of one to another resolver */
    LK_NAT_GIVEN,
};

/*
 * A query's slot: its own, or a new one. opens: it may begin a flow (all but TCP segments without SYN).
 * The flow is written as it stands now, so that the answer finds the device of the last query.
 */
static __always_inline enum lk_nat_result lk_nat_give(struct lk_nat_bucket *bucket, __u8 proto, int opens,
                                                      __u32 tag, __u32 who, __u32 now,
                                                      const struct lk_nat_flow *flow, __u32 *slot) {
    __u32 at = lk_nat_find(bucket, tag, flow);
    if (at == LK_NAT_NONE && !opens) return LK_NAT_STRAY;
    if (at == LK_NAT_NONE) at = lk_nat_take(bucket, proto, tag, who, now);
    if (at == LK_NAT_NONE) return LK_NAT_FULL;
    at &= LK_NAT_SLOTS - 1;
    lk_nat_put(bucket, at, tag, who, now, flow);
    *slot = at;
    return LK_NAT_GIVEN;
}

static __always_inline int lk_nat_lives(const struct lk_nat_bucket *bucket, __u32 slot, __u8 proto,
                                        __u32 now) {
    const __u32 life = proto == LK_PROTO_TCP ? LK_NAT_IDLE_TCP : LK_NAT_LIFE_UDP;
    return bucket->tag[slot] && lk_nat_age(now, bucket->used[slot]) <= life;
}

/*
 * The flow that an answer to a port is for. Fills in *flow and returns 1 only if the slot is live and the
 * answer comes by the tunnel and from the resolver that the query went to. keep: it shows that the connection
 * lives, as an answer does and an error about a query does not.
 */
static __always_inline int lk_nat_answer(struct lk_nat_bucket *bucket, __u32 slot, __u8 proto, __u32 now,
                                         __u32 tunnel, const struct lk_addr *src, __be16 sport,
                                         const struct lk_addr *dst, int keep, struct lk_nat_flow *flow) {
    slot &= LK_NAT_SLOTS - 1;
    const struct lk_nat_flow *there = &bucket->flow[slot];
    if (!lk_nat_lives(bucket, slot, proto, now)) return 0;
    if (there->tunnel != tunnel || there->resolver_port != sport || !lk_addr_equal(&there->resolver, src) ||
        !lk_addr_equal(&there->source, dst))
        return 0;
    if (keep && proto == LK_PROTO_TCP) bucket->used[slot] = now;
    *flow = *there;
    return 1;
}

/* 1 if this is the flow of the slot, as its queries are sent, and it is live. */
static __always_inline int lk_nat_sent(const struct lk_nat_bucket *bucket, __u32 slot, __u8 proto, __u32 now,
                                       __u32 tunnel, const struct lk_addr *src, const struct lk_addr *dst,
                                       __be16 dport) {
    slot &= LK_NAT_SLOTS - 1;
    const struct lk_nat_flow *there = &bucket->flow[slot];
    return lk_nat_lives(bucket, slot, proto, now) && there->tunnel == tunnel &&
           there->resolver_port == dport && lk_addr_equal(&there->source, src) &&
           lk_addr_equal(&there->resolver, dst);
}

#endif
