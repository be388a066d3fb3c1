/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* serve.h in the kernel: its table, what sockets remember, and its steps apart from the programs that ask. */
#ifndef LEAKBPF_BPF_SERVE_MAPS_H
#define LEAKBPF_BPF_SERVE_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "carry_maps.h"
#include "serve.h"

#define LK_SOCK_STREAM 1

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2 * LK_SERVE_BUCKETS);
    __type(key, __u32);
    __type(value, struct lk_serve_bucket);
} lk_serve SEC(".maps");

/* Written by the loader: sessions that are older than the policy that serves them. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, LK_SERVE_OLD);
    __type(key, struct lk_served);
    __type(value, __u64);
} lk_serve_old SEC(".maps");

/* A TCP socket of this machine that has answered: it needs the table no more, which others can fill. */
struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct lk_served);
} lk_serve_own SEC(".maps");

/* Not in the bytes that were parsed into the packet. offset: 4, of its own number; 8, of the acknowledged. */
static __always_inline __u32 lk_serve_number(struct __sk_buff *skb, const struct lk_pkt *pkt, __u32 offset) {
    __be32 number = 0;
    if (pkt->proto != LK_PROTO_TCP || bpf_skb_load_bytes(skb, pkt->l4_off + offset, &number, 4)) return 0;
    return LK_NTOHL(number);
}

/* As with lk_room: a program runs to its end on one CPU. What is in here is not on the stack, which is short.
 */
struct lk_serve_case {
    struct lk_served flow;
    struct lk_serve_head head;
};
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct lk_serve_case);
} lk_serve_room SEC(".maps");

static __always_inline struct lk_serve_case *lk_serve_new_case(__u32 ifindex) {
    __u32 zero = 0;
    struct lk_serve_case *c = bpf_map_lookup_elem(&lk_serve_room, &zero);
    if (!c) return NULL;
    __builtin_memset(c, 0, sizeof(*c));
    c->flow.ifindex = ifindex;
    return c;
}

/* The packet in the room came in. */
__noinline int lk_room_came(struct __sk_buff *skb) {
    const struct lk_carry *room = lk_carry_room();
    const struct lk_dev *dev = lk_find_dev(skb->ifindex);
    struct lk_serve_case *c = lk_serve_new_case(skb->ifindex);
    if (!room || !dev || !c) return 0;
    if (!lk_serve_came(dev, &room->pkt, &c->flow)) return 0;
    c->head.tcp_flags = room->pkt.tcp_flags;
    c->head.number = lk_serve_number(skb, &room->pkt, 8);
    const __u32 tag = lk_serve_tag(&c->flow), now = LK_SERVE_TICKS(lk_boot_ns());
    __u32 index = lk_serve_index(c->flow.proto, tag);
    struct lk_serve_bucket *bucket = bpf_map_lookup_elem(&lk_serve, &index);
    if (!bucket) return 0;
    bpf_spin_lock(&bucket->lock);
    lk_serve_note(bucket, tag, now, &c->flow, &c->head);
    bpf_spin_unlock(&bucket->lock);
    return 1;
}

/* Not 0: who asked is in the table, or was there when the service began to be one. */
static __always_inline int lk_serve_is_live(struct lk_serve_case *c) {
    const __u64 boot_ns = lk_boot_ns();
    const __u32 tag = lk_serve_tag(&c->flow), now = LK_SERVE_TICKS(boot_ns);
    __u32 index = lk_serve_index(c->flow.proto, tag);
    struct lk_serve_bucket *bucket = bpf_map_lookup_elem(&lk_serve, &index);
    if (!bucket) return c->head.known != 0;
    bpf_spin_lock(&bucket->lock);
    int served = lk_serve_answers(bucket, tag, now, &c->flow, &c->head);
    bpf_spin_unlock(&bucket->lock);
    if (served || c->flow.proto != LK_PROTO_TCP) return served;
    const __u64 *until = bpf_map_lookup_elem(&lk_serve_old, &c->flow);
    return until && *until > boot_ns;
}

/* Not 0: row 9 holds for the packet in the room. */
__noinline int lk_room_served(struct __sk_buff *skb) {
    const struct lk_carry *room = lk_carry_room();
    const struct lk_dev *dev = lk_find_dev(skb->ifindex);
    struct lk_serve_case *c = lk_serve_new_case(skb->ifindex);
    if (!room || !dev || !c) return 0;
    if (!lk_serve_leaves(dev, &room->pkt, &c->flow)) return 0;
    const __u8 flags = room->pkt.tcp_flags;

    struct bpf_sock *sk = c->flow.proto == LK_PROTO_TCP ? skb->sk : NULL;
    if (sk) sk = bpf_sk_fullsock(sk);
    if (sk && (sk->type != LK_SOCK_STREAM || sk->protocol != LK_PROTO_TCP)) sk = NULL;
    struct lk_served *own = sk ? bpf_sk_storage_get(&lk_serve_own, sk, NULL, 0) : NULL;
    const __u32 known = own && lk_serve_same(own, &c->flow);
    if (known && !(flags & (LK_TCP_FIN | LK_TCP_RST))) return 1;

    c->head.tcp_flags = flags;
    c->head.number = lk_serve_number(skb, &room->pkt, 4);
    c->head.kept = sk != NULL;
    c->head.known = known;
    if (!lk_serve_is_live(c)) return 0;
    if (!sk || known) return 1;
    own = bpf_sk_storage_get(&lk_serve_own, sk, &c->flow, BPF_SK_STORAGE_GET_F_CREATE);
    if (!own) return 1;
    *own = c->flow;
    bpf_map_delete_elem(&lk_serve_old, &c->flow); /* it ends with the socket now */
    return 1;
}

#endif
