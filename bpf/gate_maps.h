/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* What both forms of the second gate share: which devices it spares, counting and telling. */
#ifndef LEAKBPF_BPF_GATE_MAPS_H
#define LEAKBPF_BPF_GATE_MAPS_H

#include "gate.h"
#include "tell.h"

/* By ifindex: devices that the loader has looked at. They are guarded at TC, or are left alone on purpose. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, LK_SPARED);
    __type(key, __u32);
    __type(value, __u32);
} lk_spared SEC(".maps");

/* enum lk_spare; 0: it is judged. */
static __always_inline __u32 lk_spares(__u32 ifindex) {
    const __u32 *how = bpf_map_lookup_elem(&lk_spared, &ifindex);
    return how ? *how : 0;
}

/* The policy that new uplinks are under, or NULL: they are under none. */
static __always_inline const struct lk_host *lk_gate_host(void) {
    const struct lk_host *host = lk_find_host();
    const __u32 both = LK_POLICY_ACTIVE | LK_POLICY_GATE;
    return host && (host->policy.flags & both) == both ? host : NULL;
}

static __always_inline void lk_gate_report(const struct lk_pkt *pkt, struct lk_answer answer, __u32 ifindex,
                                           __u32 bytes) {
    lk_tally(LK_HOOK_GATE, answer.reason, 1, bytes);
    struct lk_event *event = lk_event_begin();
    if (!event) return;
    event->src = pkt->src;
    event->dst = pkt->dst;
    event->ifindex = ifindex;
    event->ethertype = pkt->family == 4 ? 0x0800 : pkt->family == 6 ? 0x86dd : 0;
    event->sport = pkt->sport;
    event->dport = pkt->dport;
    event->proto = pkt->proto;
    event->hook = LK_HOOK_GATE;
    event->verdict = answer.verdict == LK_REWRITE ? LK_DROP : answer.verdict;
    event->reason = answer.reason;
    event->length_bytes = bytes;
    bpf_ringbuf_submit(event, 0);
}

#endif
