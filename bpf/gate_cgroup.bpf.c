// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/*
 * The second gate where there are no BPF netfilter links: cgroup_skb egress sees what sockets send here, and
 * nothing that is forwarded. The cgroup is that of all network namespaces, so the sockets of others are left
 * alone, by the mark that each socket of ours carries. A packet's route cannot be seen here.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "lookup.h"

#include "fragment.h"

static __always_inline long lk_gate_load(void *packet, __u32 offset, void *to, __u32 bytes) {
    return bpf_skb_load_bytes(packet, offset, to, bytes);
}

#include "gate_maps.h"
#include "identity.h"

#define LK_CGROUP_DROP 0
#define LK_CGROUP_PASS 1

static __always_inline int lk_is_vpn_daemon(struct __sk_buff *skb, const struct lk_policy *policy,
                                            const struct lk_mark *mark) {
    if (lk_uid_is_daemon(policy, mark->uid)) return 1;
    for (__u32 i = 0; i < LK_MAX_CGROUPS; i++) {
        if (i >= policy->n_cgroups) break;
        if (bpf_skb_ancestor_cgroup_id(skb, policy->cgroups[i].level) == policy->cgroups[i].id) return 1;
    }
    return 0;
}

SEC("cgroup_skb/egress")
int lk_gate_cgroup(struct __sk_buff *skb) {
    const struct lk_host *host = lk_gate_host();
    struct bpf_sock *sk = skb->sk;
    if (!host || !sk || lk_spares(skb->ifindex)) return LK_CGROUP_PASS;
    sk = bpf_sk_fullsock(sk);
    const struct lk_mark *mark = sk ? bpf_sk_storage_get(&lk_marks, sk, 0, 0) : NULL;
    if (!mark || mark->netns_cookie != host->netns_cookie) return LK_CGROUP_PASS;

    struct lk_pkt pkt = {};
    lk_gate_read(skb, &pkt);
    struct lk_sender sender = {.fwmark = skb->mark};
    if (host->policy.flags & LK_POLICY_IDENTITY)
        sender.vpn_daemon = lk_gate_opaque(&host->policy, lk_is_vpn_daemon(skb, &host->policy, mark));
    const struct lk_answer answer = lk_gate_decide(&host->policy, &pkt, &sender);
    if (answer.verdict == LK_PASS) return LK_CGROUP_PASS;
    lk_gate_report(&pkt, answer, skb->ifindex, skb->len);
    return LK_CGROUP_DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
