/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * struct lk_pkt + policy -> struct lk_facts: all map lookups that a verdict rests on, and only those that can
 * still matter. Whoever includes this defines the lookups first (bpf/lookup.h in the kernel, image/judge.c
 * natively):
 *     lk_lookup_net (the longest match), lk_lookup_frag, lk_boot_ns (CLOCK_BOOTTIME)
 * and those of gateway.h; each gives the row or NULL.
 */
#ifndef LEAKBPF_BPF_CLASSIFY_H
#define LEAKBPF_BPF_CLASSIFY_H

#include "gateway.h"
#include "parse.h"
#include "portal.h"

struct lk_sender {
    __u32 fwmark;
    __u32 vpn_daemon; /* not 0: by the socket's mark or cgroup */
    __u32 forwarded;  /* not 0: came in on another device and has no socket */
};

struct lk_facts {
    __u32 own_source;  /* the source is an own address */
    __u32 covered;     /* enum lk_cover of the destination, embedded IPv4 included */
    __u32 dst_net;     /* enum lk_net_flag of the destination */
    __u32 lan;         /* the destination is in the LAN, embedded IPv4 included */
    __u32 target_net;  /* of the target of ARP and neighbour solicitation; LK_NET_OWN counts own[] too */
    __u32 target_gw;   /* the target is a gateway, with any port */
    __u32 portal;      /* row P */
    __u32 frag_reason; /* enum lk_reason of the first fragment; LK_NO_POLICY: none known */
};

/*
 * The same number, but one that the verifier knows nothing of. A fact that was found along several paths is
 * made opaque where they meet: what follows is then walked once and not once for each path (all kernels;
 * without it the program exceeds their limit of a million instructions as soon as a few rows are added).
 */
static __always_inline __u32 lk_opaque(const struct lk_dev *dev, __u32 number) {
    return number + *(const volatile __u32 *)&dev->zero;
}

static __always_inline int lk_port_is(const struct lk_pkt *p, __u16 port) {
    return (p->proto == LK_PROTO_TCP || p->proto == LK_PROTO_UDP) && p->dport == LK_HTONS(port);
}

static __always_inline __u32 lk_net_flags(const struct lk_dev *dev, const struct lk_addr *addr) {
    if (!(dev->flags & LK_DEV_NETS)) return 0;
    struct lk_set_net key = {.prefix_bits = LK_SET_BITS + 128, .set = dev->net_set, .addr = *addr};
    const __u32 *flags = lk_lookup_net(&key);
    return flags ? *flags : 0;
}

static __always_inline int lk_is_own(const struct lk_dev *dev, const struct lk_addr *addr) {
    for (int i = 0; i < LK_MAX_OWN; i++) {
        if (i >= (int)dev->n_own) break;
        if (lk_addr_equal(&dev->own[i], addr)) return 1;
    }
    return (dev->flags & LK_DEV_MORE_OWN) && (lk_net_flags(dev, addr) & LK_NET_OWN);
}

static __always_inline void lk_frag_key_of(const struct lk_policy *policy, const struct lk_pkt *p,
                                           struct lk_frag_key *key) {
    key->src = p->src;
    key->dst = p->dst;
    key->id = p->frag_id;
    key->gw_set = policy->gw_set;
    key->proto = p->frag_proto;
    key->pad = 0;
}

/* Facts of the target of ARP (row 1) or of a neighbour solicitation (row 8). */
static __always_inline void lk_classify_target(const struct lk_dev *dev, const struct lk_addr *target,
                                               struct lk_facts *f) {
    f->target_net = lk_opaque(dev, lk_net_flags(dev, target));
    if (lk_is_own(dev, target)) f->target_net |= LK_NET_OWN;
    f->target_net = lk_opaque(dev, f->target_net);
    if (f->target_net & LK_NET_ONLINK)
        f->target_gw = lk_opaque(dev, lk_find_gw(&dev->policy, target) != NULL);
}

static __always_inline void lk_classify_ip(const struct lk_dev *dev, const struct lk_pkt *p,
                                           const struct lk_sender *sender, __u64 now_ns, struct lk_facts *f) {
    const struct lk_policy *policy = &dev->policy;

    f->own_source = lk_opaque(dev, lk_is_own(dev, &p->src));
    if (!f->own_source && !lk_addr_unspecified(&p->src)) return; /* row 3, or row 6 for a forwarded query */
    if (f->own_source && sender->vpn_daemon && !(policy->flags & LK_POLICY_STRICT)) return; /* row 4 */

    if (p->frag == LK_FRAG_TAIL) {
        struct lk_frag_key key;
        lk_frag_key_of(policy, p, &key);
        const struct lk_frag *first = lk_lookup_frag(&key);
        if (first && first->expires_ns > now_ns) f->frag_reason = first->reason;
        return;
    }

    f->covered = lk_opaque(dev, lk_covers(policy, &p->dst, p->proto, p->dport));
    struct lk_addr inner = {};
    int embedded = p->family == 6 && lk_embedded4(&p->dst, &inner);
    if (embedded && f->covered) f->covered &= lk_opaque(dev, lk_covers(policy, &inner, p->proto, p->dport));
    if (f->own_source && f->covered && !(policy->flags & LK_POLICY_STRICT)) return; /* row 5; row 3 is left */
    __u32 asks = lk_opaque(dev, lk_portal_asks(policy, p));
    if (lk_port_is(p, 53) && !asks) return; /* row 6, if not 4 or 5 */

    f->dst_net = lk_opaque(dev, lk_net_flags(dev, &p->dst));
    if (asks && (f->dst_net & LK_NET_ROUTER)) f->portal = lk_portal_open(policy, lk_boot_ns());
    f->portal = lk_opaque(dev, f->portal);
    if (lk_port_is(p, 53)) return; /* row P or 6 */
    f->lan = f->dst_net & LK_NET_LAN;
    if (embedded && f->lan) f->lan = lk_opaque(dev, lk_net_flags(dev, &inner) & LK_NET_LAN);
    if (p->family == 6 && p->proto == LK_PROTO_ICMPV6 && p->type == LK_ICMPV6_NS)
        lk_classify_target(dev, &p->target, f);
}

static __always_inline void lk_classify(const struct lk_dev *dev, const struct lk_pkt *p,
                                        const struct lk_sender *sender, __u64 now_ns, struct lk_facts *f) {
    if (p->shape == LK_SHAPE_IP) {
        lk_classify_ip(dev, p, sender, now_ns, f);
    } else if (p->shape == LK_SHAPE_ARP) {
        f->own_source = lk_is_own(dev, &p->src);
        lk_classify_target(dev, &p->dst, f);
    }
}

#endif
