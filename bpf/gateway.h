/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * What an address may be talked to as a gateway. Whoever includes this defines lk_find_gw_host (as in
 * gateway_hosts.h), lk_lookup_gw_net (the longest match) and lk_lookup_gw_port first.
 */
#ifndef LEAKBPF_BPF_GATEWAY_H
#define LEAKBPF_BPF_GATEWAY_H

#include "base.h"
#include "proto.h"

enum lk_cover {
    LK_COVERED = 1,       /* a gateway entry has this protocol and port */
    LK_COVERED_EXACT = 2, /* and names its protocol */
};

static __always_inline const struct lk_gw *lk_find_gw(const struct lk_policy *policy,
                                                      const struct lk_addr *addr) {
    const struct lk_gw *gw = NULL;
    if (policy->flags & LK_POLICY_GW_HOSTS) gw = lk_find_gw_host(policy, addr);
    if (!gw && (policy->flags & LK_POLICY_GW_NETS)) {
        struct lk_set_net key = {.prefix_bits = LK_SET_BITS + 128, .set = policy->gw_set, .addr = *addr};
        gw = lk_lookup_gw_net(&key);
    }
    return gw;
}

/* enum lk_cover: does a gateway entry of this address have this protocol and port? */
static __always_inline __u8 lk_covers(const struct lk_policy *policy, const struct lk_addr *addr, __u8 proto,
                                      __be16 dport) {
    const struct lk_gw *gw = lk_find_gw(policy, addr);
    if (!gw) return 0;
    __u8 covered = 0;
    int dns = (proto == LK_PROTO_TCP || proto == LK_PROTO_UDP) && dport == LK_HTONS(53);
    if (gw->any && !dns) covered = LK_COVERED;
    for (int i = 0; i < LK_GW_ENDPOINTS; i++) {
        if (i >= gw->n_endpoints) break;
        if (gw->endpoints[i].proto == proto && gw->endpoints[i].port == dport)
            covered |= gw->endpoints[i].exact ? LK_COVERED | LK_COVERED_EXACT : LK_COVERED;
    }
    if (gw->port_set) {
        struct lk_set_port key = {.set = gw->port_set, .port = dport, .proto = proto};
        const __u32 *more = lk_lookup_gw_port(&key);
        if (more) covered |= *more == 2 ? LK_COVERED | LK_COVERED_EXACT : LK_COVERED;
    }
    return covered;
}

/* The IPv4 address inside a 6to4 (RFC 3056) or NAT64 (RFC 6052, 64:ff9b::/96) address. */
static __always_inline int lk_embedded4(const struct lk_addr *addr, struct lk_addr *inner) {
    __u32 first = LK_NTOHL(addr->w[0]);
    if ((first >> 16) == 0x2002)
        inner->w[3] = LK_HTONL((first << 16) | (LK_NTOHL(addr->w[1]) >> 16));
    else if (first == 0x0064ff9b && addr->w[1] == 0 && addr->w[2] == 0)
        inner->w[3] = addr->w[3];
    else
        return 0;
    inner->w[0] = 0;
    inner->w[1] = 0;
    inner->w[2] = LK_HTONL(0xffff);
    return 1;
}

#endif
