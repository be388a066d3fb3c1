// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
// What stands at both ends of the wire that bench_speed measures: the program that does nothing, and the far
// side, which counts the datagrams of the bench by the last byte of their destination and takes them off.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#include "speed_port.h"

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 256);
    __type(key, __u32);
    __type(value, __u64);
} lk_arrived SEC(".maps");

SEC("tc")
int lk_floor(struct __sk_buff *skb) {
    (void)skb;
    return TC_ACT_UNSPEC;
}

// IPv4 without options, as the bench sends it; everything else goes on.
SEC("tc")
int lk_far_side(struct __sk_buff *skb) {
    const __u8 *frame = (const __u8 *)(long)skb->data;
    if (frame + 42 > (const __u8 *)(long)skb->data_end) return TC_ACT_UNSPEC;
    if (frame[12] != 0x08 || frame[13] != 0 || frame[14] != 0x45 || frame[23] != 17) return TC_ACT_UNSPEC;
    if ((frame[36] << 8 | frame[37]) != LK_SPEED_PORT) return TC_ACT_UNSPEC;
    const __u32 which = frame[33];
    __u64 *arrived = bpf_map_lookup_elem(&lk_arrived, &which);
    if (arrived) __sync_fetch_and_add(arrived, 1);
    return TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
