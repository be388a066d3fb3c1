/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * ICMP errors that quote a DNS answer. When the asker is gone, the machine that the answer was delivered to
 * tells its sender: an address that the policy may allow, on a wire where the answer never was. So it would
 * show the name that was asked.
 */
#ifndef LEAKBPF_BPF_QUOTE_H
#define LEAKBPF_BPF_QUOTE_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "parse.h"

/*
 * Not 0: an error about a TCP or UDP packet from port 53. Answers are delivered without options or extensions
 * other than IPv6's of a fragment, whose port may be in another one: any quote of a fragment counts.
 */
static __noinline int lk_quotes_answer(struct __sk_buff *skb, const struct lk_pkt *pkt) {
    const int icmp4 = pkt->family == 4 && pkt->proto == LK_PROTO_ICMP;
    const int icmp6 = pkt->family == 6 && pkt->proto == LK_PROTO_ICMPV6;
    if (pkt->shape != LK_SHAPE_IP || !pkt->l4_off || (!icmp4 && !icmp6)) return 0;
    const __u8 type = pkt->type;
    if (icmp6 ? type >= 128 : type != 3 && type != 4 && type != 5 && type != 11 && type != 12) return 0;
    __u8 proto = 0;
    __be16 port = 0;
    const __u32 quote = pkt->l4_off + 8;
    if (bpf_skb_load_bytes(skb, quote + (icmp4 ? 9 : 6), &proto, 1)) return 0;
    if (icmp6 && proto == LK_PROTO_FRAGMENT) return 1;
    if (bpf_skb_load_bytes(skb, quote + (icmp4 ? 20 : 40), &port, 2)) return 0;
    return (proto == LK_PROTO_UDP || proto == LK_PROTO_TCP) && port == LK_HTONS(53);
}

#endif
