/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * Row 6 of docs/policy.md: what becomes of a query, TCP or UDP to port 53. Pure, as verdict.h. That a query
 * can be carried does not say that it will be: the table of nat.h may have no port left.
 */
#ifndef LEAKBPF_BPF_DNS_H
#define LEAKBPF_BPF_DNS_H

#include "parse.h"

struct lk_answer {
    __u8 verdict; /* enum lk_verdict */
    __u8 reason;  /* enum lk_reason */
};

#define LK_ANSWER(v, r) ((struct lk_answer){.verdict = (v), .reason = (r)})

/* The way of a query to this server, or NULL. An IPv4 resolver serves both families, an IPv6 one its own. */
static __always_inline const struct lk_way *lk_way_for(const struct lk_policy *policy, __u8 family) {
    if (family == 6 && (policy->flags & LK_POLICY_RESOLVER6) && policy->way6.ifindex) return &policy->way6;
    if ((policy->flags & LK_POLICY_RESOLVER4) && policy->way4.ifindex) return &policy->way4;
    return NULL;
}

/* A single host that an answer could come from or go to. */
static __always_inline int lk_dns_host(const struct lk_addr *addr) {
    return !lk_addr_unspecified(addr) && !lk_addr_multicast(addr) && !lk_addr_is4(addr, 0xffffffff);
}

/* Nothing on it that a translation would have to carry along: one datagram or segment of one host to another.
 */
static __always_inline int lk_dns_plain(const struct lk_pkt *p) {
    return p->frag == LK_WHOLE && !p->vlan_tags && p->l4_off == p->l3_off + (p->family == 4 ? 20 : 40) &&
           p->sport && lk_dns_host(&p->src) && lk_dns_host(&p->dst);
}

static __always_inline struct lk_answer lk_verdict_dns(const struct lk_policy *policy,
                                                       const struct lk_pkt *p) {
    const __u32 serves = p->family == 6 ? LK_POLICY_RESOLVER4 | LK_POLICY_RESOLVER6 : LK_POLICY_RESOLVER4;
    if (!(policy->flags & serves)) return LK_ANSWER(LK_REFUSE, LK_DNS_NO_RESOLVER);
    if (!lk_way_for(policy, p->family)) return LK_ANSWER(LK_REFUSE, LK_DNS_NO_TUNNEL);
    if (!lk_dns_plain(p)) return LK_ANSWER(LK_REFUSE, LK_DNS_FORM);
    return LK_ANSWER(LK_REWRITE, LK_DNS);
}

#endif
