// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/*
 * For tests only: queries and answers through bpf/carry.h, by BPF_PROG_TEST_RUN. The test says by lk_test
 * what the caller of carry.h would know.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "back_maps.h"
#include "carry_test.h"

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct lk_carry_test);
} lk_test SEC(".maps");

static __noinline int lk_read(struct __sk_buff *skb, struct lk_pkt *pkt, __u32 l3) {
    const __u8 *frame = (const __u8 *)(long)skb->data;
    lk_parse(pkt, frame, (const __u8 *)(long)skb->data_end, skb->len, l3);
    return 0;
}

static __always_inline struct lk_carry *lk_case_of(struct __sk_buff *skb) {
    __u32 zero = 0;
    const struct lk_carry_test *test = bpf_map_lookup_elem(&lk_test, &zero);
    struct lk_carry *room = lk_carry_room();
    if (!test || !room) return NULL;
    struct lk_pkt pkt = {};
    lk_read(skb, &pkt, test->l3);
    room->pkt = pkt;
    room->way = test->way;
    room->ifindex = test->ifindex;
    room->sender = test->sender;
    room->l3 = test->l3;
    room->now = test->now;
    return room;
}

/* enum lk_carried, or -1: no query */
SEC("tc")
int lk_query(struct __sk_buff *skb) {
    const struct lk_carry *room = lk_case_of(skb);
    if (!room || room->pkt.shape != LK_SHAPE_IP || room->pkt.dport != LK_HTONS(53)) return -1;
    int carried = lk_room_resume(skb);
    if (carried == LK_CARRY_NEW) carried = lk_room_admit(skb);
    return carried == LK_CARRY_DONE ? lk_room_send(skb) : carried;
}

/* enum lk_carried, or -1: nobody asked */
SEC("tc")
int lk_answer(struct __sk_buff *skb) {
    return lk_case_of(skb) ? lk_room_back(skb) : -1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
