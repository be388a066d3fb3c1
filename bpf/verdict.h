/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * The rows of docs/policy.md: (packet, facts, policy) -> verdict and reason. Pure and total: no lookup, no
 * helper, no state. The rows stand in the page's order; the first that matches decides.
 */
#ifndef LEAKBPF_BPF_VERDICT_H
#define LEAKBPF_BPF_VERDICT_H

#include "classify.h"
#include "dns.h"

/* Row 1: frames that are not IP. */
static __always_inline struct lk_answer lk_verdict_frame(const struct lk_dev *dev, const struct lk_pkt *p,
                                                         const struct lk_facts *f) {
    int pass_link = 0;
    switch (p->shape) {
    case LK_SHAPE_ARP:
        if ((f->own_source || lk_addr_unspecified(&p->src)) &&
            ((f->target_net & (LK_NET_OWN | LK_NET_LAN | LK_NET_NEXTHOP)) || f->target_gw))
            return LK_ANSWER(LK_PASS, LK_ARP);
        break;
    case LK_SHAPE_EAPOL: pass_link = 1; break;
    case LK_SHAPE_LACP: pass_link = !!(dev->flags & LK_DEV_BOND_PORT); break;
    case LK_SHAPE_BPDU: pass_link = !!(dev->flags & LK_DEV_BRIDGE_PORT); break;
    case LK_SHAPE_PPPOE: pass_link = !!(dev->flags & LK_DEV_PPPOE); break;
    default: break;
    }
    return pass_link ? LK_ANSWER(LK_PASS, LK_LINK) : LK_ANSWER(LK_DROP, LK_ETHERTYPE);
}

static __always_inline int lk_link_dhcp(const struct lk_pkt *p, const struct lk_facts *f, int unspecified) {
    if (p->family == 4 && p->sport == LK_HTONS(68) && p->dport == LK_HTONS(67)) {
        if (lk_addr_is4(&p->dst, 0xffffffff)) return f->own_source || unspecified;
        return f->own_source && (f->dst_net & LK_NET_LAN);
    }
    if (p->family == 6 && p->sport == LK_HTONS(546) && p->dport == LK_HTONS(547) && f->own_source)
        return lk_addr_is6(&p->dst, 0xff020000, 0, 0, 0x00010002) || lk_addr_link_local6(&p->dst);
    return 0;
}

static __always_inline int lk_link_ns(const struct lk_pkt *p, const struct lk_facts *f, int unspecified,
                                      int on_link) {
    int solicited_node = p->dst.w[0] == LK_HTONL(0xff020000) && p->dst.w[1] == 0 &&
                         p->dst.w[2] == LK_HTONL(1) &&
                         (p->dst.w[3] & LK_HTONL(0xff000000)) == LK_HTONL(0xff000000);
    int link_local = lk_addr_link_local6(&p->target);
    if (f->own_source)
        return (solicited_node || on_link) &&
               ((f->target_net & (LK_NET_OWN | LK_NET_LAN | LK_NET_NEXTHOP)) || link_local || f->target_gw);
    /* Duplicate address detection (RFC 4862 5.4.2). */
    return unspecified && solicited_node && ((f->target_net & (LK_NET_OWN | LK_NET_ONLINK)) || link_local);
}

static __always_inline int lk_link_icmpv6(const struct lk_pkt *p, const struct lk_facts *f, int unspecified) {
    int multicast = lk_addr_multicast(&p->dst);
    int on_link =
        !multicast && ((f->dst_net & (LK_NET_ONLINK | LK_NET_NEXTHOP)) || lk_addr_link_local6(&p->dst));
    switch (p->type) {
    case LK_ICMPV6_RS:
        return p->hop_limit == 255 && (f->own_source || unspecified) &&
               lk_addr_is6(&p->dst, 0xff020000, 0, 0, 2);
    case LK_ICMPV6_NS: return p->hop_limit == 255 && lk_link_ns(p, f, unspecified, on_link);
    case LK_ICMPV6_NA:
        return p->hop_limit == 255 && f->own_source && (on_link || lk_addr_is6(&p->dst, 0xff020000, 0, 0, 1));
    case LK_ICMPV6_MLD_REPORT:
    case LK_ICMPV6_MLD_DONE:
    case LK_ICMPV6_MLD2_REPORT:
        if (p->hop_limit != 1 || !multicast) return 0;
        return unspecified || (f->own_source && (p->src.w[0] & LK_HTONL(0xffc00000)) == LK_HTONL(0xfe800000));
    default: return 0;
    }
}

/* Row 8: what the link needs. Says itself where an unspecified source is allowed. */
static __always_inline int lk_link_duty(const struct lk_pkt *p, const struct lk_facts *f) {
    if (p->frag != LK_WHOLE) return 0;
    int unspecified = lk_addr_unspecified(&p->src);
    switch (p->proto) {
    case LK_PROTO_UDP: return lk_link_dhcp(p, f, unspecified);
    case LK_PROTO_IGMP:
        return p->family == 4 && p->hop_limit == 1 && (f->own_source || unspecified) &&
               lk_addr_multicast(&p->dst);
    case LK_PROTO_ICMPV6: return p->family == 6 && lk_link_icmpv6(p, f, unspecified);
    default: return 0;
    }
}

/* Row 11. */
static __always_inline int lk_named_multicast(const struct lk_pkt *p, __u32 policy_flags) {
    if (p->proto != LK_PROTO_UDP) return 0;
    switch (p->dport) {
    case LK_HTONS(1900):
        return lk_addr_is4(&p->dst, 0xeffffffa) || lk_addr_is6(&p->dst, 0xff020000, 0, 0, 0xc) ||
               lk_addr_is6(&p->dst, 0xff050000, 0, 0, 0xc);
    case LK_HTONS(5353):
        return lk_addr_is4(&p->dst, 0xe00000fb) || lk_addr_is6(&p->dst, 0xff020000, 0, 0, 0xfb);
    case LK_HTONS(5355):
        return (policy_flags & LK_POLICY_LAN_NAMES) &&
               (lk_addr_is4(&p->dst, 0xe00000fc) || lk_addr_is6(&p->dst, 0xff020000, 0, 0, 0x00010003));
    default: return 0;
    }
}

static __always_inline int lk_vpn_mark(const struct lk_policy *policy, const struct lk_sender *sender) {
    return (policy->flags & LK_POLICY_FWMARK) && (sender->fwmark & policy->fwmark_mask) == policy->fwmark;
}

/* Rows 3 to 12, for a whole packet or any fragment. */
static __always_inline struct lk_answer lk_verdict_ip(const struct lk_policy *policy, const struct lk_pkt *p,
                                                      const struct lk_sender *sender,
                                                      const struct lk_facts *f) {
    const int strict = !!(policy->flags & LK_POLICY_STRICT);
    const int tail = p->frag == LK_FRAG_TAIL;
    const int dns = !tail && lk_port_is(p, 53);

    /* 3 */
    if (!f->own_source && !(lk_addr_unspecified(&p->src) && lk_link_duty(p, f))) {
        if (sender->forwarded && dns) return lk_verdict_dns(policy, p);
        return LK_ANSWER(LK_DROP, LK_SOURCE);
    }
    /* 4 */
    if (sender->vpn_daemon && (!strict || (!tail && f->covered))) return LK_ANSWER(LK_PASS, LK_VPN_DAEMON);
    /* F */
    if (tail) {
        if (f->frag_reason == LK_NO_POLICY) return LK_ANSWER(LK_REFUSE, LK_FRAGMENT);
        return LK_ANSWER(LK_PASS, f->frag_reason);
    }
    /* 5 */
    if (strict ? (f->covered & LK_COVERED_EXACT) && lk_vpn_mark(policy, sender) : f->covered)
        return LK_ANSWER(LK_PASS, LK_GATEWAY);
    /* P */
    if (f->portal) return LK_ANSWER(LK_PASS, LK_PORTAL);
    /* 6 */
    if (dns) return lk_verdict_dns(policy, p);
    /* 7 */
    if (f->lan && lk_port_is(p, 853)) return LK_ANSWER(LK_REFUSE, LK_DNS);
    if (!(policy->flags & LK_POLICY_LAN_NAMES) &&
        (lk_port_is(p, 5355) || lk_port_is(p, 137) || lk_port_is(p, 138)))
        return LK_ANSWER(LK_REFUSE, LK_DNS);
    /* 8 */
    if (lk_link_duty(p, f)) return LK_ANSWER(LK_PASS, LK_LINK);
    /* 10 */
    if (f->lan && !(policy->flags & LK_POLICY_NO_LAN)) return LK_ANSWER(LK_PASS, LK_LAN);
    /* 11 */
    if (!(policy->flags & LK_POLICY_NO_MULTICAST) && lk_named_multicast(p, policy->flags))
        return LK_ANSWER(LK_PASS, LK_MULTICAST);
    /* 12 */
    return LK_ANSWER(LK_REFUSE, LK_NOT_ALLOWED);
}

static __always_inline struct lk_answer lk_verdict(const struct lk_dev *dev, const struct lk_pkt *p,
                                                   const struct lk_sender *sender, const struct lk_facts *f) {
    if (!(dev->policy.flags & LK_POLICY_ACTIVE)) return LK_ANSWER(LK_DROP, LK_NO_POLICY);
    if (p->shape == LK_SHAPE_BAD) return LK_ANSWER(LK_DROP, LK_MALFORMED);
    if (p->shape != LK_SHAPE_IP) return lk_verdict_frame(dev, p, f);
    return lk_verdict_ip(&dev->policy, p, sender, f);
}

/* Facts of which the verifier knows nothing, whichever path led to them. */
static __always_inline void lk_facts_forget(const struct lk_dev *dev, struct lk_facts *facts) {
    const __u32 zero = lk_opaque(dev, 0);
    __u32 *words = (__u32 *)facts;
    for (__u32 i = 0; i < sizeof(*facts) / sizeof(*words); i++)
        words[i] |= zero;
}

/* The whole decision but for the sender's identity, which the caller knows. */
static __always_inline struct lk_answer lk_decide(const struct lk_dev *dev, const struct lk_pkt *p,
                                                  const struct lk_sender *sender, __u64 now_ns) {
    struct lk_facts facts = {};
    if (dev->policy.flags & LK_POLICY_ACTIVE) lk_classify(dev, p, sender, now_ns, &facts);
    lk_facts_forget(dev, &facts);
    return lk_verdict(dev, p, sender, &facts);
}

/* A first fragment that passed opens the way for its tails. */
static __always_inline int lk_opens_fragments(const struct lk_pkt *p, struct lk_answer answer) {
    return p->shape == LK_SHAPE_IP && p->frag == LK_FRAG_FIRST && answer.verdict == LK_PASS;
}

#endif
