/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * The second gate: what the IP stack may send on a device that nobody has looked at yet. It is judged by the
 * rows of verdict.h, without what only a look at the device can tell (own addresses, LAN, next hops): the VPN
 * daemon and the gateways pass, and what the link itself needs; nothing of the LAN, and no fragments.
 *
 * Whoever includes this defines the lookups of classify.h first, and
 *     lk_gate_load (bytes of the IP packet; not 0: they are not there)
 */
#ifndef LEAKBPF_BPF_GATE_H
#define LEAKBPF_BPF_GATE_H

#include "verdict.h"

/* Out of memory, so that it is walked once and not for each place where it may begin. */
static __always_inline void lk_gate_read_upper(void *packet, struct lk_pkt *p) {
    __u8 bytes[24];
    const __u32 at = *(volatile __u16 *)&p->l4_off;
    switch (p->proto) {
    case LK_PROTO_TCP:
    case LK_PROTO_UDP:
        if (lk_gate_load(packet, at, bytes, 4)) return;
        p->sport = lk_load16(bytes);
        p->dport = lk_load16(bytes + 2);
        break;
    case LK_PROTO_ICMPV6:
        if (lk_gate_load(packet, at, bytes, 8)) return;
        p->type = bytes[0];
        if (p->type != LK_ICMPV6_NS) break;
        if (lk_gate_load(packet, at, bytes, 24)) return;
        lk_load_addr6(&p->target, bytes + 8);
        break;
    default: break;
    }
    p->shape = LK_SHAPE_IP;
}

/* RFC 8200 and its registry: what is no upper layer. */
static __always_inline int lk_gate_is_extension(__u8 proto) {
    switch (proto) {
    case 0:
    case 43:
    case LK_PROTO_FRAGMENT:
    case 51:
    case 60:
    case 135:
    case 139:
    case 140:
    case 253:
    case 254: return 1;
    default: return 0;
    }
}

/*
 * An IP packet without fragments, without options and extension headers but the router alert of IGMP and MLD
 * (RFC 3376 4, RFC 3810 5); anything else keeps the shape BAD.
 */
static __always_inline void lk_gate_read(void *packet, struct lk_pkt *p) {
    __u8 ip[40];
    p->shape = LK_SHAPE_BAD;
    if (lk_gate_load(packet, 0, ip, 20)) return;
    if (ip[0] >> 4 == 4) {
        const __u32 header = (ip[0] & 15) * 4u;
        if ((header != 20 && !(ip[9] == LK_PROTO_IGMP && header == 24)) || (ip[6] & 0x3f) || ip[7]) return;
        p->family = 4;
        p->proto = ip[9];
        p->hop_limit = ip[8];
        lk_load_addr4(&p->src, ip + 12);
        lk_load_addr4(&p->dst, ip + 16);
        p->l4_off = header;
    } else if (ip[0] >> 4 == 6) {
        if (lk_gate_load(packet, 0, ip, 40)) return;
        p->family = 6;
        p->proto = ip[6];
        p->hop_limit = ip[7];
        lk_load_addr6(&p->src, ip + 8);
        lk_load_addr6(&p->dst, ip + 24);
        p->l4_off = 40;
        if (!p->proto) {
            __u8 alert[8];
            if (lk_gate_load(packet, 40, alert, sizeof(alert))) return;
            if (alert[0] != LK_PROTO_ICMPV6 || alert[1] || alert[2] != 5 || alert[3] != 2) return;
            p->proto = LK_PROTO_ICMPV6;
            p->l4_off = 48;
        } else if (lk_gate_is_extension(p->proto)) {
            return;
        }
    } else {
        return;
    }
    lk_gate_read_upper(packet, p);
}

/* As lk_opaque() in classify.h, by a field of the policy that is always 0. */
static __always_inline __u32 lk_gate_opaque(const struct lk_policy *policy, __u32 number) {
    return number + *(const volatile __u16 *)&policy->pad;
}

/* Verdict other than PASS: not here, and not yet. */
static __always_inline struct lk_answer lk_gate_decide(const struct lk_policy *policy, struct lk_pkt *p,
                                                       const struct lk_sender *sender) {
    struct lk_facts facts = {.own_source = lk_gate_opaque(policy, 1)};
    struct lk_addr inner = {};
    __u32 *words = (__u32 *)p;
    for (__u32 i = 0; i < sizeof(*p) / sizeof(*words); i++)
        words[i] = lk_gate_opaque(policy, words[i]);
    if (p->shape != LK_SHAPE_IP) return LK_ANSWER(LK_DROP, LK_MALFORMED);
    facts.covered = lk_gate_opaque(policy, lk_covers(policy, &p->dst, p->proto, p->dport));
    if (facts.covered && p->family == 6 && lk_embedded4(&p->dst, &inner))
        facts.covered &= lk_gate_opaque(policy, lk_covers(policy, &inner, p->proto, p->dport));
    facts.target_net = lk_addr_unspecified(&p->src) ? LK_NET_OWN : 0; /* is it taken? (RFC 4862 5.4.2) */
    facts.target_net = lk_gate_opaque(policy, facts.target_net);
    return lk_verdict_ip(policy, p, sender, &facts);
}

#endif
