/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * A packet, or what a call would send, by one cgroup's policy: the rows of verdict.h without what only a look
 * at the device can tell. The source is anybody's here: other addresses than the socket's own are the matter
 * of the uplink. Whoever includes this includes scope_maps.h and gate.h first.
 */
#ifndef LEAKBPF_BPF_SCOPE_JUDGE_H
#define LEAKBPF_BPF_SCOPE_JUDGE_H

#include "daemon.h"
#include "gate.h"
#include "scope_maps.h"

static __always_inline int lk_is_transport(__u8 proto) {
    return proto == LK_PROTO_TCP || proto == LK_PROTO_UDP;
}

static __always_inline int lk_to_resolver(const struct lk_policy *policy, const struct lk_pkt *p) {
    if (!lk_is_transport(p->proto)) return 0;
    if ((policy->flags & LK_POLICY_RESOLVER4) && p->dport == policy->resolver4_port &&
        lk_addr_equal(&p->dst, &policy->resolver4))
        return 1;
    return (policy->flags & LK_POLICY_RESOLVER6) && p->dport == policy->resolver6_port &&
           lk_addr_equal(&p->dst, &policy->resolver6);
}

static __always_inline int lk_prefix_holds(const struct lk_scope_prefix *prefix, const struct lk_addr *addr) {
    __u32 differ = 0;
    for (int i = 0; i < 4; i++)
        differ |= (addr->w[i] ^ prefix->addr.w[i]) & prefix->mask.w[i];
    return !differ;
}

/* enum lk_net_flag: LK_NET_LAN or 0. */
static __always_inline __u32 lk_scope_net_flags(const struct lk_scope *scope, const struct lk_addr *addr) {
    if (scope->n_lan > LK_SCOPE_PREFIXES) {
        struct lk_set_net key = {
            .prefix_bits = LK_SET_BITS + 128, .set = scope->policy.gw_set, .addr = *addr};
        const __u32 *flags = lk_lookup_net(&key);
        return flags ? *flags : 0;
    }
    for (__u32 i = 0; i < LK_SCOPE_PREFIXES; i++)
        if (i < scope->n_lan && lk_prefix_holds(&scope->lan[i], addr)) return LK_NET_LAN;
    return 0;
}

/*
 * A solicitation as the kernel makes them, which the link's own rows then let pass with hop limit 255. A
 * network namespace that was made inside a cgroup has its own sockets for these there, and a cgroup knows no
 * networks on the link.
 */
static __always_inline int lk_asks_neighbour(const struct lk_pkt *p) {
    if (p->type != LK_ICMPV6_NS) return 0;
    if (!lk_addr_multicast(&p->dst)) return lk_addr_equal(&p->dst, &p->target);
    return ((p->dst.w[3] ^ p->target.w[3]) & LK_HTONL(0x00ffffff)) == 0;
}

/* direct: its route leads by no router; of neighbour discovery alone. */
static __always_inline void lk_scope_classify(const struct lk_scope *scope, const struct lk_pkt *p,
                                              __u32 direct, struct lk_facts *facts) {
    const struct lk_policy *policy = &scope->policy;
    struct lk_addr inner = {};
    const int embedded = p->family == 6 && lk_embedded4(&p->dst, &inner);
    facts->own_source = lk_gate_opaque(policy, 1);
    facts->covered = lk_gate_opaque(policy, lk_covers(policy, &p->dst, p->proto, p->dport));
    if (facts->covered && embedded)
        facts->covered &= lk_gate_opaque(policy, lk_covers(policy, &inner, p->proto, p->dport));
    if (facts->covered && !(policy->flags & LK_POLICY_STRICT)) return; /* row 5 */
    facts->dst_net = lk_gate_opaque(policy, lk_scope_net_flags(scope, &p->dst));
    facts->lan = facts->dst_net & LK_NET_LAN;
    if (facts->lan && embedded)
        facts->lan = lk_gate_opaque(policy, lk_scope_net_flags(scope, &inner) & LK_NET_LAN);
    if (p->proto != LK_PROTO_ICMPV6) return;
    if (direct) facts->dst_net |= LK_NET_ONLINK;
    facts->dst_net = lk_gate_opaque(policy, facts->dst_net);
    facts->target_net = lk_gate_opaque(policy, lk_asks_neighbour(p) ? LK_NET_LAN : 0);
}

/* The same, but of which the verifier knows nothing: what follows is walked once. */
static __always_inline void lk_blur(const struct lk_policy *policy, void *what, __u32 bytes) {
    __u32 *words = what;
    for (__u32 i = 0; i < bytes / sizeof(*words); i++)
        words[i] = lk_gate_opaque(policy, words[i]);
}

/* uid, netns: of the socket's maker and where it was made; a uid of 0 is nobody's. */
static __always_inline int lk_is_vpn_user(const struct lk_scope *scope, __u32 uid, __u64 netns) {
    if (!uid || (scope->vpn_netns && scope->vpn_netns != netns)) return 0;
    return lk_uid_is_daemon(&scope->policy, uid);
}

/* 1: the record of this slot lets it pass on a device that is no tunnel. */
static __always_inline int lk_scope_passes(__u32 slot, struct lk_pkt *pkt, __u32 uid, __u64 netns,
                                           __u32 direct) {
    const struct lk_scope *scope = lk_scope_at(slot);
    if (!scope || !(scope->policy.flags & LK_POLICY_ACTIVE)) return 0;
    const struct lk_policy *policy = &scope->policy;
    lk_blur(policy, pkt, sizeof(*pkt));
    if (pkt->shape != LK_SHAPE_IP) return 0;
    if (pkt->family == 6 && lk_addr_mapped(&pkt->dst)) return 0; /* IPv4 in the wrong dress */
    const struct lk_sender sender = {
        .vpn_daemon = lk_gate_opaque(policy, lk_is_vpn_user(scope, uid, netns)),
    };
    struct lk_facts facts = {};
    lk_scope_classify(scope, pkt, lk_gate_opaque(policy, direct), &facts);
    lk_blur(policy, &facts, sizeof(facts));
    if (facts.lan && !(policy->flags & LK_POLICY_NO_LAN) && lk_to_resolver(policy, pkt)) return 1;
    return lk_verdict_ip(policy, pkt, &sender, &facts).verdict == LK_PASS;
}

#endif
