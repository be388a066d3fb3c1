// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
// What the bench compares with, and what it puts in front of the program under test: BPF_PROG_TEST_RUN
// repeats one packet with one unmarked socket, so other destinations and a marked sender are made here, and
// the rest is a tail call. The same goes in front of the empty program, so that it cancels out.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#include "identity.h"
#include "knobs.h"

volatile struct lk_bench_knobs knobs = {.destinations = 1};

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} lk_under_test SEC(".maps");

SEC("tc")
int lk_empty(struct __sk_buff *skb) {
    (void)skb;
    return TC_ACT_UNSPEC;
}

// An Ethernet frame with IPv4 goes to one of the destinations, any of them.
SEC("tc")
int lk_scattered(struct __sk_buff *skb) {
    __u8 *frame = (__u8 *)(long)skb->data;
    if (frame + 34 <= (__u8 *)(long)skb->data_end)
        *(__u32 *)(frame + 30) =
            LK_HTONL(knobs.first_destination + bpf_get_prandom_u32() % knobs.destinations);
    bpf_tail_call(skb, &lk_under_test, 0);
    return TC_ACT_UNSPEC;
}

SEC("tc")
int lk_marked(struct __sk_buff *skb) {
    struct bpf_sock *sk = skb->sk ? bpf_sk_fullsock(skb->sk) : NULL;
    if (!sk) return TC_ACT_SHOT;
    struct lk_mark *mark = bpf_sk_storage_get(&lk_marks, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
    if (!mark) return TC_ACT_SHOT;
    mark->uid = knobs.marked_uid;
    bpf_tail_call(skb, &lk_under_test, 0);
    return TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
