/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * Row P of docs/policy.md: what a captive portal needs, to the router alone, until a deadline that the kernel
 * itself minds. Pure: the time is the caller's. The clock is CLOCK_BOOTTIME, which counts while the machine
 * sleeps: it may wake up in another network.
 */
#ifndef LEAKBPF_BPF_PORTAL_H
#define LEAKBPF_BPF_PORTAL_H

#include "base.h"
#include "dns.h"
#include "parse.h"

/* A deadline that is further away than any portal lasts was not written by us, or by another clock; one that
 * is over wraps around to there. */
static __always_inline int lk_portal_open(const struct lk_policy *policy, __u64 now_ns) {
    return policy->portal_until_ns - now_ns - 1 < LK_PORTAL_MOST_NS;
}

/* Only for these packets it matters whether they go to a router, and what time it is. A query goes to one
 * only where row 6 would refuse it for want of a tunnel. */
static __always_inline int lk_portal_asks(const struct lk_policy *policy, const struct lk_pkt *p) {
    if (!policy->portal_until_ns || p->shape != LK_SHAPE_IP || p->frag != LK_WHOLE) return 0;
    if (p->proto != LK_PROTO_TCP && p->proto != LK_PROTO_UDP) return 0;
    if (p->dport == LK_HTONS(53)) return !lk_way_for(policy, p->family);
    return p->proto == LK_PROTO_TCP && (p->dport == LK_HTONS(80) || p->dport == LK_HTONS(443));
}

#endif
