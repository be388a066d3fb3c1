// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/*
 * TC ingress of an uplink whose policy has --serve: notes who asks a service, so that it may be answered. It
 * lets everything by as it is.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

/* In this order: the lookups, then the text that asks them. */
#include "lookup.h"

#include "fragment.h"

#include "serve_maps.h"

#define LK_NEXT (-1)

/* Global, as those of carry_maps.h. l3: packets begin with the IP header. Not 0: more must be read. */
__noinline int lk_room_see(struct __sk_buff *skb, __u32 l3) {
    struct lk_carry *room = lk_carry_room();
    if (!room) return 0;
    struct lk_pkt *pkt = &room->pkt; /* in memory, where the verifier keeps no account of what is written */
    __builtin_memset(pkt, 0, sizeof(*pkt));
    const __u8 *frame = (const __u8 *)(long)skb->data;
    lk_parse(pkt, frame, (const __u8 *)(long)skb->data_end, skb->len, l3);
    return pkt->cut;
}

SEC("tc")
int lk_serve_in(struct __sk_buff *skb) {
    const struct lk_dev *dev = lk_find_dev(skb->ifindex);
    if (!dev || !(dev->policy.flags & LK_POLICY_SERVE)) return LK_NEXT;
    const __u32 l3 = dev->flags & LK_DEV_L3;
    if (lk_room_see(skb, l3) && (__u32)(skb->data_end - skb->data) < skb->len) {
        __u32 want = skb->len < LK_MAX_HEADER_BYTES ? skb->len : LK_MAX_HEADER_BYTES;
        if (bpf_skb_pull_data(skb, want)) return LK_NEXT;
        lk_room_see(skb, l3);
    }
    lk_room_came(skb);
    return LK_NEXT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
