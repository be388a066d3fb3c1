/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* bootstrap.h in the kernel: its room, and its steps apart from the programs that ask. */
#ifndef LEAKBPF_BPF_BOOTSTRAP_MAPS_H
#define LEAKBPF_BPF_BOOTSTRAP_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "bootstrap.h"
#include "carry_maps.h"

/* As with lk_room: a program runs to its end on one CPU. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct lk_boot_case);
} lk_boot_room SEC(".maps");

/* Checked once by itself (a global function). offset: where the datagram begins. */
__noinline int lk_boot_read(struct __sk_buff *skb, __u32 offset) {
    __u32 zero = 0;
    struct lk_boot_case *c = bpf_map_lookup_elem(&lk_boot_room, &zero);
    if (!c) return 0;
    __u32 length = *(volatile __u32 *)&c->length;
    if (length < LK_BOOT_LEAST || length > LK_BOOT_MOST) return 0;
    /* Into memory that the sender cannot write any more (MSG_ZEROCOPY): what is read is what leaves. */
    if (bpf_skb_pull_data(skb, offset + length)) return 0;
    if (bpf_skb_load_bytes(skb, offset, c->datagram, length)) return 0;
    return lk_boot_named(c);
}

/* Not 0: row B holds for the packet in the room. */
__noinline int lk_room_bootstraps(struct __sk_buff *skb) {
    const struct lk_carry *room = lk_carry_room();
    const struct lk_dev *dev = lk_find_dev(skb->ifindex);
    if (!room || !dev) return 0;
    const struct lk_pkt *pkt = &room->pkt;
    __u32 zero = 0;
    struct lk_boot_case *c = bpf_map_lookup_elem(&lk_boot_room, &zero);
    if (!c || skb->vlan_present || skb->gso_size) return 0;
    if (!lk_boot_opens(dev, pkt, skb->len, c)) return 0;
    return lk_boot_read(skb, pkt->l4_off);
}

#endif
