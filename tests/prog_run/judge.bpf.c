// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/*
 * For tests only: the uplink program's own text, with one more program that takes the sender from skb->cb
 * (BPF_PROG_TEST_RUN can neither forward nor mark a socket) and returns verdict << 8 | reason.
 *     cb[0] VPN daemon   cb[1] forwarded   cb[2] fwmark
 */
#include "uplink.bpf.c"

SEC("tc")
int lk_judge(struct __sk_buff *skb) {
    const struct lk_dev *dev = lk_find_dev(skb->ifindex);
    if (!dev) return LK_DROP << 8 | LK_NO_POLICY;

    struct lk_pkt pkt = {};
    lk_parse_skb(skb, dev, &pkt);
    struct lk_sender sender = {.vpn_daemon = lk_opaque(dev, skb->cb[0]),
                               .forwarded = lk_opaque(dev, skb->cb[1]),
                               .fwmark = skb->cb[2]};
    __u64 now_ns = pkt.frag == LK_WHOLE ? 0 : bpf_ktime_get_ns();
    __u32 decided = lk_decide_skb(skb, dev, &pkt, &sender, now_ns);
    struct lk_answer answer = LK_ANSWER(decided >> 8, decided & 0xff);
    if (lk_opens_fragments(&pkt, answer)) {
        struct lk_frag_key key;
        struct lk_frag first = {.expires_ns = now_ns + LK_FRAG_LIFE_NS, .reason = answer.reason};
        lk_frag_key_of(&dev->policy, &pkt, &key);
        bpf_map_update_elem(&lk_frags, &key, &first, BPF_ANY);
    }
    return (__u32)answer.verdict << 8 | answer.reason;
}
