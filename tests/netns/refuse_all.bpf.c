// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
// bpf/refuse.h on its own: a program without a policy that refuses all IP but what the two links and
// neighbour discovery need, while the test says so.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#include "parse.h"
#include "refuse.h"

__u32 refusing;   // 0: everything passes
__u32 vlan_id;    // not 0: the packet gets this tag in its metadata first, as from a VLAN device
__u64 refused;    // packets handed to lk_refuse
__u64 segmented;  // those of them that were GSO
__u64 with_bytes; // SYNs among them that carried data
__u64 extended;   // those with IPv6 extension headers

static __always_inline int on_link(const struct lk_addr *addr) {
    if (lk_addr_mapped(addr)) return (addr->w[3] & LK_HTONL(0xffffff00)) == LK_HTONL(0xc6336400);
    return lk_addr_link_local6(addr) ||
           (addr->w[0] == LK_HTONL(0x20010db8) && addr->w[1] == LK_HTONL(0x00010000));
}

static __always_inline int judge(struct __sk_buff *skb, int l3_device) {
    struct lk_pkt pkt = {};
    __u32 want = skb->len < LK_MAX_HEADER_BYTES ? skb->len : LK_MAX_HEADER_BYTES;
    if (!refusing) return TC_ACT_UNSPEC;
    if (bpf_skb_pull_data(skb, want)) return TC_ACT_SHOT;
    const __u8 *frame = (const __u8 *)(long)skb->data;
    lk_parse(&pkt, frame, (const __u8 *)(long)skb->data_end, skb->len, l3_device);
    if (pkt.shape != LK_SHAPE_IP || pkt.proto == LK_PROTO_ICMPV6 || on_link(&pkt.dst)) return TC_ACT_UNSPEC;
    __sync_fetch_and_add(&refused, 1);
    if (skb->gso_segs > 1) __sync_fetch_and_add(&segmented, 1);
    if (pkt.family == 6 && pkt.l4_off > pkt.l3_off + 40) __sync_fetch_and_add(&extended, 1);
    if (pkt.proto == LK_PROTO_TCP && (pkt.tcp_flags & LK_TCP_SYN) && skb->len > pkt.l4_off + 60u)
        __sync_fetch_and_add(&with_bytes, 1);
    if (vlan_id && bpf_skb_vlan_push(skb, LK_HTONS(0x8100), vlan_id)) return TC_ACT_SHOT;
    return lk_refuse(skb, &pkt, 0);
}

SEC("tc")
int lk_refuse_l2(struct __sk_buff *skb) {
    return judge(skb, 0);
}

SEC("tc")
int lk_refuse_l3(struct __sk_buff *skb) {
    return judge(skb, 1);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
