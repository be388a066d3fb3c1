// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
// IPAddressDeny=any with IPAddressAllow=, as systemd.resource-control(5) says it: of what a unit's sockets
// send and receive, what an allowed prefix covers passes, and nothing else. Not systemd's text.
// What is not a unit's business in a world: the far side (another network namespace, here the same cgroup),
// and the VPN daemon, whose own unit would have IPAddressAllow=any.
#include <linux/bpf.h>
#include <linux/if_ether.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct key4 {
    __u32 length;
    __u8 address[4];
};

struct key6 {
    __u32 length;
    __u8 address[16];
};

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __type(key, struct key4);
    __type(value, __u32);
    __uint(max_entries, 64);
    __uint(map_flags, BPF_F_NO_PREALLOC);
} allow4 SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __type(key, struct key6);
    __type(value, __u32);
    __uint(max_entries, 64);
    __uint(map_flags, BPF_F_NO_PREALLOC);
} allow6 SEC(".maps");

const volatile __u64 far_side = 0; // cookie of its network namespace
const volatile __u32 daemon_uid = 0;

static __always_inline int allowed(struct __sk_buff *skb, __u32 offset4, __u32 offset6) {
    if (bpf_get_netns_cookie(skb) == far_side || bpf_get_socket_uid(skb) == daemon_uid) return 1;
    if (skb->protocol == bpf_htons(ETH_P_IP)) {
        struct key4 key = {.length = 32};
        bpf_skb_load_bytes(skb, offset4, key.address, sizeof(key.address));
        return bpf_map_lookup_elem(&allow4, &key) != 0;
    }
    if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
        struct key6 key = {.length = 128};
        bpf_skb_load_bytes(skb, offset6, key.address, sizeof(key.address));
        return bpf_map_lookup_elem(&allow6, &key) != 0;
    }
    return 0;
}

SEC("cgroup_skb/egress")
int ip_egress(struct __sk_buff *skb) {
    return allowed(skb, 16, 24);
}

SEC("cgroup_skb/ingress")
int ip_ingress(struct __sk_buff *skb) {
    return allowed(skb, 12, 8);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
