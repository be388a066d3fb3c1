// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/*
 * The second gate where the kernel has BPF netfilter links (6.4): POST_ROUTING of both families sees what is
 * sent here and what is forwarded. It runs before TC, so it lets everything on to a device that TC judges.
 */
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "daemon.h"
#include "kernel_net.h"
#include "lookup.h"

#include "fragment.h"

/* packet: a dynptr of it. */
static __always_inline long lk_gate_load(void *packet, __u32 offset, void *to, __u32 bytes) {
    return bpf_dynptr_read(to, bytes, packet, offset, 0);
}

#include "gate_maps.h"

#define LK_NF_DROP   0
#define LK_NF_ACCEPT 1

/* By the socket itself: whose it was made, and in which cgroup. */
static __noinline int lk_is_vpn_daemon(const struct lk_policy *policy, __u32 uid, const void *cgroup) {
    if (lk_uid_is_daemon(policy, uid)) return 1;
    for (__u32 i = 0; i < LK_MAX_CGROUPS; i++) {
        if (i >= policy->n_cgroups) break;
        if (lk_cgroup_ancestor(cgroup, policy->cgroups[i].level) == policy->cgroups[i].id) return 1;
    }
    return 0;
}

SEC("netfilter")
int lk_gate_filter(struct bpf_nf_ctx *ctx) {
    const struct net_device *device = ctx->state->out;
    const __u32 ifindex = device->ifindex;
    struct sk_buff *skb = ctx->skb;
    if (device->flags & LK_IFF_LOOPBACK) return LK_NF_ACCEPT;
    const __u32 spares = lk_spares(ifindex);
    if (spares == LK_SPARE_ALL) return LK_NF_ACCEPT; /* nearly all packets: no other look before this one */
    const struct lk_host *host = lk_gate_host();
    if (!host || lk_is_tunnel(device)) return LK_NF_ACCEPT;
    if (spares && !lk_by_router(skb, ctx->state->pf)) return LK_NF_ACCEPT;

    struct lk_pkt pkt = {};
    struct bpf_dynptr packet;
    pkt.shape = LK_SHAPE_BAD;
    if (!bpf_dynptr_from_skb((struct __sk_buff *)skb, 0, &packet)) lk_gate_read(&packet, &pkt);
    struct lk_sender sender = {.fwmark = skb->mark, .forwarded = ctx->state->sk == NULL};
    const struct sock *sk = ctx->state->sk;
    if ((host->policy.flags & LK_POLICY_IDENTITY) && sk && lk_is_full(sk))
        sender.vpn_daemon =
            lk_is_vpn_daemon(&host->policy, sk->sk_uid.val, BPF_CORE_READ(sk, sk_cgrp_data.cgroup));
    sender.vpn_daemon = lk_gate_opaque(&host->policy, sender.vpn_daemon);
    const struct lk_answer answer = lk_gate_decide(&host->policy, &pkt, &sender);
    if (answer.verdict == LK_PASS) return LK_NF_ACCEPT;
    lk_gate_report(&pkt, answer, ifindex, skb->len);
    return LK_NF_DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
