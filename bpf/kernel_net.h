/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * The kernel structures of packets and devices that are read, with nothing in them but what is read: the
 * loader finds the real offsets in the running kernel's BTF.
 */
#ifndef LEAKBPF_BPF_KERNEL_NET_H
#define LEAKBPF_BPF_KERNEL_NET_H

#include <linux/types.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define LK_ARPHRD_NONE     0xfffe
#define LK_IFF_LOOPBACK    8
#define LK_IFF_POINTOPOINT 16
#define LK_IFF_NOARP       128
#define LK_RTF_GATEWAY     2 /* linux/route.h */
#define LK_NFPROTO_IPV4    2
#define LK_NFPROTO_IPV6    10

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head {
    struct list_head *next;
};

struct net {
    struct list_head dev_base_head;
};

typedef struct {
    struct net *net;
} possible_net_t;

struct rtnl_link_ops {
    const char *kind;
};

struct in_ifaddr {
    struct in_ifaddr *ifa_next;
    __be32 ifa_local;
    __be32 ifa_address; /* the other end's, or the same */
    __be32 ifa_mask;
};

struct in_device {
    struct in_ifaddr *ifa_list;
};

struct lk_in6 {
    __be32 words[4];
};

struct inet6_ifaddr {
    struct lk_in6 addr;
    __u32 prefix_len;
    struct list_head if_list;
};

struct inet6_dev {
    struct list_head addr_list;
};

struct net_device {
    possible_net_t nd_net;
    unsigned int flags;
    int ifindex;
    unsigned short type;
    const struct rtnl_link_ops *rtnl_link_ops;
    struct list_head dev_list;
    struct in_device *ip_ptr;
    struct inet6_dev *ip6_ptr;
    struct {
        struct list_head upper;
    } adj_list;
};

/* Since 6.11: before, what a driver has of its own lies behind the whole. */
struct net_device___priv {
    unsigned char priv[1];
};

/* What is on top of a device, or below it. */
struct netdev_adjacent {
    struct net_device *dev;
    struct list_head list;
};

struct kernfs_node {
    __u64 id;
};

struct cgroup {
    struct kernfs_node *kn;
    int level;
    struct cgroup *ancestors[1];
};

struct sock_cgroup_data {
    struct cgroup *cgroup;
};

typedef struct {
    unsigned int val;
} kuid_t;

struct sock_common {
    volatile unsigned char skc_state;
    possible_net_t skc_net;
};

struct sock {
    struct sock_common __sk_common;
    kuid_t sk_uid;
    struct sock_cgroup_data sk_cgrp_data;
};

struct sk_buff {
    struct net_device *dev;
    unsigned int len;
    __u32 mark;
    unsigned long _skb_refdst;
};

/* A packet's route, of IPv4 and of IPv6. */
struct rtable {
    __u8 rt_gw_family;
};

struct rt6_info {
    __u32 rt6i_flags;
};

struct bpf_sock_addr_kern {
    struct sock *sk;
};

struct nf_hook_state {
    __u8 pf;
    struct net_device *out;
    struct sock *sk;
};

#pragma clang attribute pop

/* What the program is given: these two words, whatever the kernel. */
struct bpf_nf_ctx {
    const struct nf_hook_state *state;
    struct sk_buff *skb;
};

extern int bpf_dynptr_from_skb(struct __sk_buff *skb, __u64 flags, struct bpf_dynptr *packet) __ksym;

static __always_inline int lk_same_text(const char *a, const char *b, int bytes) {
    for (int i = 0; i < bytes; i++)
        if (a[i] != b[i]) return 0;
    return 1;
}

#define LK_KIND_BYTES 10

/* KIND: all zero, and remains so where the device has none. */
static __always_inline void lk_kind_of(const struct net_device *device, char kind[LK_KIND_BYTES]) {
    const char *name = BPF_CORE_READ(device, rtnl_link_ops, kind);
    if (!name || bpf_probe_read_kernel_str(kind, LK_KIND_BYTES, name) < 0) kind[0] = 0;
}

/* A tunnel by the kind that the kernel gives it: nobody needs to have named it. */
static __always_inline int lk_is_tunnel(const struct net_device *device) {
    char kind[LK_KIND_BYTES] = {};
    if (BPF_CORE_READ(device, type) != LK_ARPHRD_NONE) return 0;
    lk_kind_of(device, kind);
    return lk_same_text(kind, "tun", 4) || lk_same_text(kind, "wireguard", 10) ||
           lk_same_text(kind, "xfrm", 5) || lk_same_text(kind, "ovpn", 4);
}

/* The first word of what a veth device has of its own: its peer. Not 0: it is no such device. */
static __always_inline int lk_veth_peer(const struct net_device *device, const struct net_device **peer) {
    char kind[LK_KIND_BYTES] = {};
    lk_kind_of(device, kind);
    if (!lk_same_text(kind, "veth", 5)) return 1;
    const struct net_device___priv *owned = (const void *)device;
    __u64 offset = (bpf_core_type_size(struct net_device) + 31) & ~31ull; /* NETDEV_ALIGN */
    if (bpf_core_field_exists(owned->priv)) offset = bpf_core_field_offset(owned->priv);
    return bpf_probe_read_kernel(peer, sizeof(*peer), (const void *)device + offset) != 0;
}

/* The other end of a veth pair, which must name this one as its own; NULL: there is none. */
static __always_inline const struct net_device *lk_peer(const struct net_device *device) {
    const struct net_device *peer = NULL, *back = NULL;
    if (lk_veth_peer(device, &peer) || !peer || lk_veth_peer(peer, &back) || back != device) return NULL;
    return peer;
}

/* Neither TIME_WAIT nor a request that is no connection yet: their structures end before what is read. */
static __always_inline int lk_is_full(const struct sock *sk) {
    const unsigned char state = sk->__sk_common.skc_state;
    return state != 6 && state != 12;
}

/* Does the packet's route lead by a router? What a bridge hands on has none, or one that says no. */
static __always_inline int lk_by_router(const struct sk_buff *skb, __u8 family) {
    const void *route = (const void *)(BPF_CORE_READ(skb, _skb_refdst) & ~1ul); /* bit 0: not counted */
    if (!route) return 0;
    if (family == LK_NFPROTO_IPV4) return BPF_CORE_READ((const struct rtable *)route, rt_gw_family) != 0;
    return (BPF_CORE_READ((const struct rt6_info *)route, rt6i_flags) & LK_RTF_GATEWAY) != 0;
}

/* The id of the cgroup at this level above the other, or its own; 0: it is not that deep. */
static __always_inline __u64 lk_cgroup_ancestor(const struct cgroup *cgroup, __u32 level) {
    if (!cgroup || level > 0xff || (int)level > BPF_CORE_READ(cgroup, level)) return 0;
    const struct cgroup *ancestor = NULL;
    const void *place = (const void *)__builtin_preserve_access_index(&cgroup->ancestors[0]);
    if (bpf_probe_read_kernel(&ancestor, sizeof(ancestor), place + level * sizeof(ancestor))) return 0;
    return BPF_CORE_READ(ancestor, kn, id);
}

#endif
