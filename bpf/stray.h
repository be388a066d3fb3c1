/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * What would be written into a passed packet behind this hook. Whoever makes a frame by hand (a packet socket
 * with PACKET_VNET_HDR, a guest's virtio) says where the device is to put the checksum: two bytes of its
 * choice, over the destination address if it likes. The kernel knows the place; where it does not show it
 * (kernel_skb.h), two helpers are made to tell. Linux 7.2 has changed one of them, so that without BTF every
 * such packet counts as stray there. And the type by which a frame is cut into segments comes from the
 * sender, not from the frame.
 *
 * Packets of internet sockets are the kernel's own work and are not looked at on an uplink.
 */
#ifndef LEAKBPF_BPF_STRAY_H
#define LEAKBPF_BPF_STRAY_H

#include <linux/bpf.h>
#include <linux/errno.h>

#include <bpf/bpf_helpers.h>

#include "kernel_skb.h"
#include "parse.h"

/* The end of the first place where a checksum may be written: the upper layer's own, or behind it. */
static __always_inline __s32 lk_checksum_end(const struct lk_pkt *pkt) {
    switch (pkt->proto) {
    case LK_PROTO_TCP: return pkt->l4_off + 18;
    case LK_PROTO_UDP: return pkt->l4_off + 8;
    default: return pkt->l4_off + 4;
    }
}

/* Nobody leaves the checksum of anything else to a device, and fragments are made of finished packets. */
static __always_inline int lk_may_be_unfinished(const struct lk_pkt *pkt) {
    return pkt->shape == LK_SHAPE_IP && pkt->l4_off;
}

#ifdef LK_KERNEL_SKB

static __always_inline int lk_checksum_strays(struct __sk_buff *skb, const struct lk_pkt *pkt) {
    __s32 end = lk_kernel_checksum_end(skb);
    return end && (!lk_may_be_unfinished(pkt) || end < lk_checksum_end(pkt));
}

#else

/* -1: no such bytes. */
static __always_inline __s32 lk_bytes_at(struct __sk_buff *skb, __u32 at) {
    const __u8 *place = (const __u8 *)(long)skb->data + at;
    return place + 2 > (const __u8 *)(long)skb->data_end ? -1 : lk_load16(place);
}

/* A checksum still to be written is what bpf_l4_csum_replace leaves alone. The frame stays as it was. */
static __always_inline int lk_checksum_unfinished(struct __sk_buff *skb, __u32 at) {
    __s32 before = lk_bytes_at(skb, at);
    __u16 same = before;
    if (before < 0 || bpf_l4_csum_replace(skb, at, 0, 1, sizeof(same))) return -1;
    if (lk_bytes_at(skb, at) == before) return 1;
    return bpf_skb_store_bytes(skb, at, &same, sizeof(same), 0) ? -1 : 0;
}

static __always_inline int lk_checksum_strays(struct __sk_buff *skb, const struct lk_pkt *pkt) {
    int unfinished = lk_checksum_unfinished(skb, pkt->l3_off ? 12 : 0);
    if (unfinished <= 0) return unfinished;
    if (!lk_may_be_unfinished(pkt)) return 1;
    /* Refused before anything else is looked at if the checksum would end beyond; otherwise cut, and dropped.
     */
    return bpf_skb_change_tail(skb, lk_checksum_end(pkt) - 1, 0) != -EINVAL;
}

#endif

/* Not 0: what was read of this packet is not what would leave, or it cannot be told. */
static __always_inline int lk_strays(struct __sk_buff *skb, const struct lk_pkt *pkt) {
    if (skb->gso_size) {
        __u16 type = LK_NTOHS(skb->protocol);
        if (pkt->vlan_tags ? type != 0x8100 && type != 0x88a8 : type != pkt->ethertype) return 1;
    }
    return lk_checksum_strays(skb, pkt);
}

/* The same, where nobody has rewritten what an internet socket sent. */
static __always_inline int lk_is_stray(struct __sk_buff *skb, const struct lk_pkt *pkt) {
    const struct bpf_sock *sk = skb->sk;
    if (sk && (sk->family == 2 || sk->family == 10)) return 0; /* AF_INET, AF_INET6 */
    return lk_strays(skb, pkt);
}

#endif
