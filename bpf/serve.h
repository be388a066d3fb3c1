/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * Row 9: answers of services that are open to strangers. What came in is noted by the remote and the local
 * end, as they stand on the uplink's wire; what leaves is an answer if it is the exact reverse of that.
 * Whoever includes this defines the lookups of classify.h and lk_lookup_serve (the longest match) first.
 * Works on one bucket in memory: the caller finds it, holds its lock around each call and says what time it
 * is.
 */
#ifndef LEAKBPF_BPF_SERVE_H
#define LEAKBPF_BPF_SERVE_H

#include <linux/bpf.h>

#include "classify.h"
#include "nat.h"

/* Time in units of 2^30 ns, a little more than a second; 136 years until it begins anew. */
#define LK_SERVE_TICKS(boot_ns) ((__u32)((boot_ns) >> 30))
#define LK_SERVE_SECONDS(s)     ((__u32)((__u64)(s)*1000000000ull >> 30))

#define LK_SERVE_HALF_LIFE  LK_SERVE_SECONDS(60)   /* TCP: asked, and not yet agreed on */
#define LK_SERVE_TCP_LIFE   LK_SERVE_SECONDS(7800) /* idle: beyond the keepalives of Linux, 2 h */
#define LK_SERVE_CLOSE_LIFE LK_SERVE_SECONDS(120)  /* idle, after the service's FIN or RST */
#define LK_SERVE_UDP_LIFE   LK_SERVE_SECONDS(180)  /* after the last that came in: answers prolong nothing */

enum lk_serve_state {
    LK_SERVE_ASKED = 0,
    LK_SERVE_ANSWERED, /* TCP: the SYN-ACK went out, and its number is known; UDP: any answer */
    LK_SERVE_SETTLED,  /* TCP: the remote end has seen it; UDP: and something more came in */
    LK_SERVE_CLOSING,
    LK_SERVE_KEPT, /* the socket remembers by itself */
};

struct lk_serve_bucket {
    struct bpf_spin_lock lock;
    __u32 pad;
    __u32 tag[LK_SERVE_SLOTS];    /* hash of the flow; 0: never used */
    __u32 who[LK_SERVE_SLOTS];    /* hash of the remote host */
    __u32 until[LK_SERVE_SLOTS];  /* ticks */
    __u32 state[LK_SERVE_SLOTS];  /* enum lk_serve_state */
    __u32 number[LK_SERVE_SLOTS]; /* TCP: of the byte after the SYN-ACK */
    struct lk_served flow[LK_SERVE_SLOTS];
};

/* What is written in a packet beside who talks to whom. */
struct lk_serve_head {
    __u8 tcp_flags;
    __u32 number; /* TCP, host byte order: of what came in the acknowledged number, of what leaves its own */
    __u32 kept;   /* of what leaves: its socket will remember by itself */
    __u32 known;  /* and does already */
};

static __always_inline int lk_serve_unicast(const struct lk_addr *addr) {
    return !lk_addr_multicast(addr) && !lk_addr_unspecified(addr) && !lk_addr_is4(addr, 0xffffffff);
}

static __always_inline int lk_serve_named(const struct lk_policy *policy, __u8 proto, __be16 port,
                                          const struct lk_addr *remote) {
    struct lk_serve_net key = {.prefix_bits = LK_SERVE_BITS + 128,
                               .set = policy->gw_set,
                               .port = port,
                               .proto = proto,
                               .family = lk_addr_mapped(remote) ? 4 : 6,
                               .addr = *remote};
    return lk_lookup_serve(&key) != NULL;
}

/* Not 0: what came in may be for a service, and *flow says whose; the caller adds the device. */
static __always_inline int lk_serve_came(const struct lk_dev *dev, const struct lk_pkt *p,
                                         struct lk_served *flow) {
    const struct lk_policy *policy = &dev->policy;
    if ((policy->flags & (LK_POLICY_ACTIVE | LK_POLICY_SERVE)) != (LK_POLICY_ACTIVE | LK_POLICY_SERVE))
        return 0;
    if (p->shape != LK_SHAPE_IP || p->frag != LK_WHOLE) return 0;
    if (p->proto != LK_PROTO_TCP && p->proto != LK_PROTO_UDP) return 0;
    if (!lk_serve_unicast(&p->src) || lk_is_own(dev, &p->src) || !lk_is_own(dev, &p->dst)) return 0;
    if (!lk_serve_named(policy, p->proto, p->dport, &p->src)) return 0;
    flow->remote = p->src;
    flow->local = p->dst;
    flow->remote_port = p->sport;
    flow->local_port = p->dport;
    flow->proto = p->proto;
    return 1;
}

/* Not 0: rows 1 to 8 had nothing to say, and there are services. */
static __always_inline int lk_may_serve(const struct lk_dev *dev, __u32 reason) {
    return (dev->policy.flags & LK_POLICY_SERVE) &&
           (reason == LK_NOT_ALLOWED || reason == LK_LAN || reason == LK_MULTICAST);
}

/* Not 0: what leaves may be an answer of a service that the policy names, to whom *flow says. Nothing opens a
 * connection with an answer. */
static __always_inline int lk_serve_leaves(const struct lk_dev *dev, const struct lk_pkt *p,
                                           struct lk_served *flow) {
    if (p->shape != LK_SHAPE_IP || p->frag == LK_FRAG_TAIL) return 0;
    if (p->proto != LK_PROTO_TCP && p->proto != LK_PROTO_UDP) return 0;
    if (p->proto == LK_PROTO_TCP && (p->tcp_flags & (LK_TCP_SYN | LK_TCP_ACK)) == LK_TCP_SYN) return 0;
    if (!lk_serve_named(&dev->policy, p->proto, p->sport, &p->dst)) return 0;
    flow->remote = p->dst;
    flow->local = p->src;
    flow->remote_port = p->dport;
    flow->local_port = p->sport;
    flow->proto = p->proto;
    return 1;
}

/* 1 if they are one flow. */
static __always_inline __u64 lk_serve_same(const struct lk_served *a, const struct lk_served *b) {
    const __u64 *x = (const __u64 *)a, *y = (const __u64 *)b;
    __u64 differ = 0;
    for (__u32 i = 0; i < sizeof(*a) / sizeof(*x); i++)
        differ |= x[i] ^ y[i];
    return lk_zero((__u32)(differ | differ >> 32));
}

/* Never 0. The low bits name the bucket. */
static __always_inline __u32 lk_serve_tag(const struct lk_served *flow) {
    __u64 state = (__u64)flow->ifindex << 32 | (__u32)flow->remote_port << 16 | flow->local_port;
    lk_nat_hash_addr(&state, &flow->remote);
    return lk_nat_hash_addr(&state, &flow->local) | 0x80000000u;
}

/* Whose share a flow counts against. */
static __always_inline __u32 lk_serve_who(const struct lk_served *flow) {
    struct lk_addr host = flow->remote;
    if (!lk_addr_mapped(&host)) host.w[2] = host.w[3] = 0;
    __u64 state = 1;
    return lk_nat_hash_addr(&state, &host);
}

static __always_inline __u32 lk_serve_index(__u8 proto, __u32 tag) {
    return (proto == LK_PROTO_TCP ? LK_SERVE_BUCKETS : 0) + (tag & (LK_SERVE_BUCKETS - 1));
}

/* The slot that holds this flow, alive, or LK_NAT_NONE. */
static __always_inline __u32 lk_serve_find(const struct lk_serve_bucket *bucket, __u32 tag, __u32 now,
                                           const struct lk_served *flow) {
    __u64 found = 0, any = 0;
    for (__u32 i = 0; i < LK_SERVE_SLOTS; i++) {
        __u64 hit = lk_zero(bucket->tag[i] ^ tag);
        found += i * hit;
        any += hit;
    }
    /* Two slots never have one tag: lk_serve_take looks here first. */
    found &= LK_SERVE_SLOTS - 1;
    return any && bucket->until[found] > now && lk_serve_same(&bucket->flow[found], flow) ? (__u32)found
                                                                                          : LK_NAT_NONE;
}

/*
 * A slot for a flow that has none: a free one, else the one that is nearest to its end of those that are not
 * settled; with the share used up only of one's own. LK_NAT_NONE: there is none. Without branches, as in
 * nat.h.
 */
static __always_inline __u32 lk_serve_take(const struct lk_serve_bucket *bucket, __u32 tag, __u32 who,
                                           __u32 now) {
    __u64 own_count = 0, own = 0, open = 0, soft = 0, twin = 0, any_twin = 0;
    for (__u32 i = 0; i < LK_SERVE_SLOTS; i++) {
        __u64 until = bucket->until[i];
        __u64 is_live = lk_less(now, until);
        __u64 is_own = is_live * lk_zero(bucket->who[i] ^ who);
        __u64 is_soft = is_live * lk_less(0, bucket->state[i] ^ LK_SERVE_SETTLED);
        __u64 is_twin = lk_zero(bucket->tag[i] ^ tag);
        __u64 score = ((1ull << 33) - until) * LK_SERVE_SLOTS + i;
        own_count += is_own;
        own += (score - own) * lk_less(own, score * is_own * is_soft);
        soft += (score - soft) * lk_less(soft, score * is_soft);
        open += (score - open) * lk_less(open, score * (1 - is_live));
        twin += i * is_twin;
        any_twin += is_twin;
    }
    if (any_twin) {
        twin &= LK_SERVE_SLOTS - 1;
        return bucket->until[twin] <= now || bucket->state[twin] != LK_SERVE_SETTLED ? (__u32)twin
                                                                                     : LK_NAT_NONE;
    }
    if (own_count >= LK_SERVE_SHARE) return own ? (__u32)(own % LK_SERVE_SLOTS) : LK_NAT_NONE;
    if (open) return open % LK_SERVE_SLOTS;
    return soft ? (__u32)(soft % LK_SERVE_SLOTS) : LK_NAT_NONE;
}

/* The slot that the flow got, or LK_NAT_NONE. */
static __always_inline __u32 lk_serve_put(struct lk_serve_bucket *bucket, __u32 tag, __u32 now,
                                          const struct lk_served *flow) {
    const __u32 who = lk_serve_who(flow);
    __u32 at = lk_serve_take(bucket, tag, who, now);
    if (at == LK_NAT_NONE) return LK_NAT_NONE;
    at &= LK_SERVE_SLOTS - 1;
    bucket->tag[at] = tag;
    bucket->who[at] = who;
    bucket->state[at] = LK_SERVE_ASKED;
    bucket->until[at] = now + LK_SERVE_HALF_LIFE;
    bucket->number[at] = 0;
    bucket->flow[at] = *flow;
    return at;
}

static __always_inline __u32 lk_serve_life(__u8 proto, __u32 state) {
    if (proto != LK_PROTO_TCP) return LK_SERVE_UDP_LIFE;
    if (state == LK_SERVE_SETTLED) return LK_SERVE_TCP_LIFE;
    return state == LK_SERVE_CLOSING || state == LK_SERVE_KEPT ? LK_SERVE_CLOSE_LIFE : LK_SERVE_HALF_LIFE;
}

/*
 * Something came in. What the remote end has sent settles nothing by itself, since a source can be forged: it
 * must know the number in the SYN-ACK (or one a little beyond, where data went out at once).
 */
static __always_inline void lk_serve_note(struct lk_serve_bucket *bucket, __u32 tag, __u32 now,
                                          const struct lk_served *flow, const struct lk_serve_head *head) {
    const int tcp = flow->proto == LK_PROTO_TCP;
    const int opens =
        !tcp || (head->tcp_flags & (LK_TCP_SYN | LK_TCP_ACK | LK_TCP_RST | LK_TCP_FIN)) == LK_TCP_SYN;
    __u32 at = lk_serve_find(bucket, tag, now, flow);
    __u32 state = LK_SERVE_ASKED;
    if (at == LK_NAT_NONE) {
        if (!opens) return;
        at = lk_serve_put(bucket, tag, now, flow);
        if (at == LK_NAT_NONE) return;
        at &= LK_SERVE_SLOTS - 1;
    } else {
        at &= LK_SERVE_SLOTS - 1;
        state = bucket->state[at];
        if (!tcp && state == LK_SERVE_ANSWERED) state = LK_SERVE_SETTLED;
        if (tcp) {
            if (head->tcp_flags & LK_TCP_RST) return;
            if (opens && (state == LK_SERVE_CLOSING || state == LK_SERVE_KEPT)) state = LK_SERVE_ASKED;
            if (!opens && state == LK_SERVE_ANSWERED && (head->tcp_flags & LK_TCP_ACK) &&
                head->number - bucket->number[at] < 0x10000)
                state = LK_SERVE_SETTLED;
            if (!opens && (state == LK_SERVE_ASKED || state == LK_SERVE_ANSWERED)) return;
        }
    }
    bucket->state[at] = state;
    bucket->until[at] = now + lk_serve_life(flow->proto, state);
}

/* Something wants to leave: not 0 if it is an answer. What is left of a closed socket remembers nothing, so
 * that its last words are noted here. */
static __always_inline int lk_serve_answers(struct lk_serve_bucket *bucket, __u32 tag, __u32 now,
                                            const struct lk_served *flow, const struct lk_serve_head *head) {
    __u32 at = lk_serve_find(bucket, tag, now, flow);
    if (at == LK_NAT_NONE && head->known) {
        at = lk_serve_put(bucket, tag, now, flow);
        if (at == LK_NAT_NONE) return 1;
        bucket->state[at & (LK_SERVE_SLOTS - 1)] = LK_SERVE_SETTLED;
    }
    if (at == LK_NAT_NONE) return 0;
    at &= LK_SERVE_SLOTS - 1;
    __u32 state = bucket->state[at];
    if (flow->proto != LK_PROTO_TCP) {
        if (state == LK_SERVE_ASKED) bucket->state[at] = LK_SERVE_ANSWERED;
        return 1;
    }
    if (head->tcp_flags & LK_TCP_SYN) {
        if (state == LK_SERVE_ASKED || state == LK_SERVE_ANSWERED) {
            bucket->number[at] = head->number + 1;
            bucket->state[at] = LK_SERVE_ANSWERED;
        }
        return 1;
    }
    if (state != LK_SERVE_SETTLED && state != LK_SERVE_KEPT) return 1;
    if (head->tcp_flags & (LK_TCP_FIN | LK_TCP_RST))
        state = LK_SERVE_CLOSING;
    else if (head->kept)
        state = LK_SERVE_KEPT;
    else
        return 1;
    bucket->state[at] = state;
    bucket->until[at] = now + LK_SERVE_CLOSE_LIFE;
    return 1;
}

#endif
