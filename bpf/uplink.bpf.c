// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/*
 * TC egress of an uplink (tcx, or clsact where tcx is missing): parse, ask who sends, decide, act, count,
 * tell. Everything that is decided stands in verdict.h; here are only the steps around it.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

/* In this order: the lookups, then the text that asks them. */
#include "lookup.h"

#include "fragment.h"

#include "verdict.h"

#include "bootstrap_maps.h"
#include "carry_maps.h"
#include "identity.h"
#include "quote.h"
#include "refuse_maps.h"
#include "serve_maps.h"
#include "stray.h"
#include "tell.h"

/* Both mean "go on with the next program": TCX_NEXT and TC_ACT_UNSPEC are -1. */
#define LK_NEXT (-1)

/*
 * A subprogram, and opaque results: what they leave behind tells the verifier nothing of the path through
 * them, so that it walks what follows once and not once for each. Parsing alone is worth one: where the
 * kernel guards returns against speculation, each call costs as much as a third of all the rest.
 */
static __noinline int lk_parse_skb(struct __sk_buff *skb, const struct lk_dev *dev, struct lk_pkt *pkt) {
    const __u8 *frame = (const __u8 *)(long)skb->data;
    lk_parse(pkt, frame, (const __u8 *)(long)skb->data_end, skb->len, dev->flags & LK_DEV_L3);
    __u64 *words = (__u64 *)pkt;
    __u64 zero = (__u64)lk_opaque(dev, 0) << 32 | lk_opaque(dev, 0);
    for (__u32 i = 0; i < sizeof(*pkt) / sizeof(*words); i++)
        words[i] |= zero;
    return 0;
}

/* verdict << 8 | reason */
static __always_inline __u32 lk_decide_skb(struct __sk_buff *skb, const struct lk_dev *dev,
                                           const struct lk_pkt *pkt, const struct lk_sender *sender,
                                           __u64 now_ns) {
    struct lk_answer answer = lk_decide(dev, pkt, sender, now_ns);
    const __u32 decided = lk_opaque(dev, (__u32)answer.verdict << 8 | answer.reason);
    const __u8 reason = decided & 0xff;
    const int boots = lk_may_bootstrap(dev, reason), serves = lk_may_serve(dev, reason);
    struct lk_carry *room = boots || serves ? lk_carry_room() : NULL;
    if (!room) return decided;
    room->pkt = *pkt;
    if (boots && lk_room_bootstraps(skb)) return LK_PASS << 8 | LK_BOOTSTRAP_DNS;
    if (serves && lk_room_served(skb)) return LK_PASS << 8 | LK_SERVED;
    return decided;
}

/* The socket whose mark counts: the packet's own, or a SYN-ACK's listener. */
static __always_inline struct lk_mark *lk_sender_mark(struct __sk_buff *skb) {
    struct bpf_sock *sk = skb->sk;
    if (!sk) return NULL;
    struct bpf_sock *full = bpf_sk_fullsock(sk);
    if (!full) full = bpf_get_listener_sock(sk);
    if (!full) return NULL;
    return bpf_sk_storage_get(&lk_marks, full, 0, 0);
}

static __noinline int lk_is_vpn_daemon(struct __sk_buff *skb, const struct lk_policy *policy) {
    const struct lk_mark *mark = lk_sender_mark(skb);
    if (!mark) return 0;
    if (lk_uid_is_daemon(policy, mark->uid)) return 1;
    for (__u32 i = 0; i < LK_MAX_CGROUPS; i++) {
        if (i >= policy->n_cgroups) break;
        if (bpf_skb_ancestor_cgroup_id(skb, policy->cgroups[i].level) == policy->cgroups[i].id) return 1;
    }
    return 0;
}

static __noinline int lk_report(struct __sk_buff *skb, const struct lk_pkt *pkt, __u32 verdict,
                                __u32 reason) {
    struct lk_event *event = lk_event_begin();
    if (!event) return 0;
    event->src = pkt->src;
    event->dst = pkt->dst;
    event->ifindex = skb->ifindex;
    event->ethertype = pkt->ethertype;
    event->sport = pkt->sport;
    event->dport = pkt->dport;
    event->proto = pkt->proto;
    event->hook = LK_HOOK_UPLINK;
    event->verdict = verdict;
    event->reason = reason;
    event->length_bytes = skb->len;
    event->cgroup_id = bpf_skb_cgroup_id(skb);
    if (!skb->sk && skb->ingress_ifindex) event->flags |= LK_EVENT_FORWARDED;
    const struct lk_mark *mark = lk_sender_mark(skb);
    if (mark) {
        event->flags |= LK_EVENT_UID;
        event->uid = mark->uid;
        event->pid = mark->pid;
        __builtin_memcpy(event->comm, mark->comm, sizeof(event->comm));
    }
    bpf_ringbuf_submit(event, 0);
    return 0;
}

/* Row 6: into the tunnel. The TC action, or minus the reason why not: then the packet is still whole.
 * mtu: what a packet that is too big may have. */
static __always_inline int lk_rewrite(struct __sk_buff *skb, const struct lk_dev *dev,
                                      const struct lk_pkt *pkt, __u32 *mtu) {
    struct lk_carry *room = lk_carry_room();
    const struct lk_way *way = lk_way_for(&dev->policy, pkt->family);
    if (!room || !way || skb->vlan_present) return -LK_DNS_FORM;
    room->pkt = *pkt;
    room->way = *way;
    room->ifindex = skb->ifindex;
    room->l3 = dev->flags & LK_DEV_L3;
    room->now = LK_NAT_TICKS(bpf_ktime_get_ns());
    *mtu = lk_carry_too_big(skb, room, skb->gso_size);
    if (*mtu) return -LK_DNS_SIZE;
    int carried = lk_room_resume(skb);
    if (carried == LK_CARRY_NEW) {
        room->sender = lk_nat_sender(skb, lk_sender_mark(skb));
        carried = lk_room_admit(skb);
    }
    if (carried == LK_CARRY_DONE) carried = lk_room_send(skb);
    switch (carried) {
    case LK_CARRY_DONE: break;
    case LK_CARRY_FULL: return -LK_DNS_PORTS;
    case LK_CARRY_STRAY: return -LK_DNS_FLOW;
    default: return TC_ACT_SHOT;
    }
    return lk_send_on(skb, &room->way);
}

SEC("tc")
int lk_egress(struct __sk_buff *skb) {
    const struct lk_dev *dev = lk_find_dev(skb->ifindex);
    __u64 packets = skb->gso_segs ? skb->gso_segs : 1;
    if (!dev) {
        lk_tally(LK_HOOK_UPLINK, LK_NO_POLICY, packets, skb->len);
        return TC_ACT_SHOT;
    }

    struct lk_pkt pkt = {};
    lk_parse_skb(skb, dev, &pkt);
    if (pkt.cut && (__u32)(skb->data_end - skb->data) < skb->len) {
        __u32 want = skb->len < LK_MAX_HEADER_BYTES ? skb->len : LK_MAX_HEADER_BYTES;
        __builtin_memset(&pkt, 0, sizeof(pkt));
        if (bpf_skb_pull_data(skb, want) == 0) lk_parse_skb(skb, dev, &pkt);
    }

    struct lk_sender sender = {.fwmark = skb->mark};
    __u32 forwarded = !skb->sk && skb->ingress_ifindex;
    sender.forwarded = lk_opaque(dev, forwarded);
    if (dev->policy.flags & LK_POLICY_IDENTITY) sender.vpn_daemon = lk_is_vpn_daemon(skb, &dev->policy);
    sender.vpn_daemon = lk_opaque(dev, sender.vpn_daemon);

    __u64 now_ns = pkt.frag == LK_WHOLE ? 0 : bpf_ktime_get_ns();
    __u32 decided = lk_decide_skb(skb, dev, &pkt, &sender, now_ns);
    struct lk_answer answer = LK_ANSWER(decided >> 8, decided & 0xff);
    if ((answer.verdict == LK_PASS || answer.verdict == LK_REWRITE) && lk_is_stray(skb, &pkt))
        answer = LK_ANSWER(LK_DROP, LK_MALFORMED);
    if (answer.verdict == LK_PASS && lk_quotes_answer(skb, &pkt)) answer = LK_ANSWER(LK_DROP, LK_DNS);
    int action = TC_ACT_SHOT;
    __u32 mtu = 0;
    if (answer.verdict == LK_REWRITE) {
        action = lk_rewrite(skb, dev, &pkt, &mtu);
        if (action < 0) answer = LK_ANSWER(LK_REFUSE, -action);
    }
    lk_tally(LK_HOOK_UPLINK, answer.reason, packets, skb->len);
    if (lk_opens_fragments(&pkt, answer)) {
        struct lk_frag_key key;
        struct lk_frag first = {.expires_ns = now_ns + LK_FRAG_LIFE_NS, .reason = answer.reason};
        lk_frag_key_of(&dev->policy, &pkt, &key);
        bpf_map_update_elem(&lk_frags, &key, &first, BPF_ANY);
    }
    if (answer.verdict == LK_PASS) return LK_NEXT;

    lk_report(skb, &pkt, answer.verdict, answer.reason);
    if (answer.verdict == LK_REWRITE) return action;
    if (answer.verdict != LK_REFUSE || (dev->policy.flags & LK_POLICY_SILENT)) return TC_ACT_SHOT;
    struct lk_carry *room = lk_carry_room();
    if (!room) return TC_ACT_SHOT;
    room->pkt = pkt;
    room->mtu = mtu;
    return lk_room_refuse(skb);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
