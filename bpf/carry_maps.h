/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * What carry.h works on, as the kernel keeps it: the table, one for a network namespace by pin, and the room
 * for one packet's case; and its steps as functions that the verifier checks by themselves, whoever calls
 * them (global ones: neither arguments nor what they point to are known, so all goes by way of the room).
 */
#ifndef LEAKBPF_BPF_CARRY_MAPS_H
#define LEAKBPF_BPF_CARRY_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "nat.h"

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2 * LK_NAT_BUCKETS);
    __type(key, __u32);
    __type(value, struct lk_nat_bucket);
} lk_nat SEC(".maps");

static __always_inline struct lk_nat_bucket *lk_lookup_nat(__u32 index) {
    return bpf_map_lookup_elem(&lk_nat, &index);
}

static __always_inline void lk_nat_lock(struct lk_nat_bucket *bucket) {
    bpf_spin_lock(&bucket->lock);
}

static __always_inline void lk_nat_unlock(struct lk_nat_bucket *bucket) {
    bpf_spin_unlock(&bucket->lock);
}

#include "carry.h"

/*
 * Takes the packet's route off it. bpf_redirect_neigh() without a next hop puts its own over it, and forgets,
 * before Linux 6.18 and what was mended in the stable series of late 2025, that the old one was held: devices
 * that such routes lead by, and whole network namespaces, could never be taken away. No helper only drops a
 * route; this one puts another in its place that all packets share and that holds nothing.
 */
static __always_inline void lk_forget_route(struct __sk_buff *skb) {
    struct bpf_tunnel_key none = {};
    bpf_skb_set_tunnel_key(skb, &none, __builtin_offsetof(struct bpf_tunnel_key, tunnel_label), 0);
}

/*
 * The TC action that sends what lk_carry_send made on its way. The next hop is never told to the kernel,
 * though that would spare it a look at its routes: a packet that has to wait for the neighbour's address
 * keeps the route that it came with then, and is sent to that route's neighbour (Linux 6.18), which is nobody
 * there.
 */
static __always_inline int lk_send_on(struct __sk_buff *skb, const struct lk_way *way) {
    if (!way->neighbour) return bpf_redirect(way->ifindex, 0);
    lk_forget_route(skb);
    return bpf_redirect_neigh(way->ifindex, NULL, 0, 0);
}

/* Whose query it is, as nat.h counts. mark: of the socket that sends it, or NULL. */
static __always_inline __u64 lk_nat_sender(const struct __sk_buff *skb, const struct lk_mark *mark) {
    if (mark) return mark->uid;
    return skb->sk ? LK_NAT_UNKNOWN : LK_NAT_FORWARDED | skb->ingress_ifindex;
}

/* A program runs to its end on one CPU, and no other of ours runs there meanwhile. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct lk_carry);
} lk_room SEC(".maps");

static __always_inline struct lk_carry *lk_carry_room(void) {
    __u32 zero = 0;
    return bpf_map_lookup_elem(&lk_room, &zero);
}

__noinline int lk_room_is_ours(struct __sk_buff *skb) {
    struct lk_carry *room = lk_carry_room();
    __asm__ volatile("" ::"r"(skb)); /* unused, clang would pass nothing for it */
    return room ? lk_carry_is_ours(room) : 0;
}

/* enum lk_carried. One after the other and not one in the other: what all need would not fit on the stack. */
__noinline int lk_room_resume(struct __sk_buff *skb) {
    struct lk_carry *room = lk_carry_room();
    return room ? lk_carry_resume(skb, room) : LK_CARRY_SPOILT;
}
__noinline int lk_room_admit(struct __sk_buff *skb) {
    struct lk_carry *room = lk_carry_room();
    __asm__ volatile("" ::"r"(skb));
    return room ? lk_carry_admit(room) : LK_CARRY_SPOILT;
}
__noinline int lk_room_send(struct __sk_buff *skb) {
    struct lk_carry *room = lk_carry_room();
    return room ? lk_carry_send(skb, room) : LK_CARRY_SPOILT;
}

#endif
