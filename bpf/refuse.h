/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * Telling a sender that its packet was refused, at once: the packet itself is made into the answer and handed
 * to the device's own ingress, from where it finds the sender as an answer from outside would, local, routed,
 * bridged or translated. TCP gets a reset (RFC 9293 3.10.7.1), UDP a port unreachable (RFC 1122 3.2.2.1,
 * RFC 4443 3.1), what is too big for the tunnel is told how big it may be (RFC 1191 4, RFC 4443 3.2);
 * everything else, and whatever cannot be done, is dropped in silence. Nothing here decides
 * what is refused, and nothing here can let a packet out: the only ways on are the own ingress and the end.
 *
 * A packet may or may not be CHECKSUM_PARTIAL (its checksum left to the device), which no field tells, and
 * which stays so through all of this. Both answers are made to be right either way.
 *
 * VLAN: a tag in the metadata stays there, so that the answer reaches the device that the packet came from. A
 * frame that holds its tag itself gets a reset; a port unreachable it does not (bpf_skb_adjust_room refuses).
 */
#ifndef LEAKBPF_BPF_REFUSE_H
#define LEAKBPF_BPF_REFUSE_H

#include <linux/bpf.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>

#include <bpf/bpf_helpers.h>

#include "checksum.h"
#include "parse.h"
#include "tell.h"

/* In one window of LK_LIMIT_WINDOW_NS on one CPU. An unreachable costs the sender more than a reset. */
#define LK_RESETS_PER_WINDOW 1000
#define LK_ICMP_PER_WINDOW   100

#define LK_ANSWER_TTL 64

/* How much of the packet is quoted: answers of at most 576 bytes (RFC 1812 4.3.2.3) and 1280 (RFC 4443 2.4
 * c). */
#define LK_QUOTE4_BYTES (576u - 20u - 8u)
#define LK_QUOTE6_BYTES (1280u - 40u - 8u)

/* As RFC 792, RFC 1191 and RFC 4443 lay it out (the kernel's header for it needs libc). */
struct lk_unreachable {
    __u8 type;
    __u8 code;
    __sum16 checksum;
    __be32 mtu; /* of the next hop, if the packet is too big */
};
#define LK_UNREACHABLE4      3
#define LK_UNREACHABLE4_PORT 3
#define LK_UNREACHABLE6      1
#define LK_UNREACHABLE6_PORT 4
#define LK_UNREACHABLE4_BIG  4
#define LK_TOO_BIG6          2

/* What is known of the packet that is refused; the addresses as in struct lk_pkt. */
struct lk_refused {
    struct lk_addr src;
    struct lk_addr dst;
    __u32 l3_off;
    __u32 l4_off;
    __u32 l3_bytes; /* of an IP header without options or extensions */
    __u32 four;     /* IPv4 */
};

/*
 * Takes the few numbers over by way of skb->cb, which is ours until the packet leaves this hook, and the rest
 * from the packet: for the verifier all of them are then unknown, and so what follows is checked once rather
 * than once for each way through the parser.
 */
static __always_inline int lk_refused_read(struct __sk_buff *skb, const struct lk_pkt *pkt,
                                           struct lk_refused *was) {
    skb->cb[0] = pkt->l3_off;
    skb->cb[1] = pkt->l4_off;
    skb->cb[2] = pkt->family == 4;
    __asm__ volatile("" ::: "memory");
    was->l3_off = *(volatile __u32 *)&skb->cb[0];
    was->l4_off = *(volatile __u32 *)&skb->cb[1];
    was->four = *(volatile __u32 *)&skb->cb[2];
    if (!was->four) {
        was->l3_bytes = sizeof(struct ipv6hdr);
        return bpf_skb_load_bytes(skb, was->l3_off + 8, &was->src, 2 * sizeof(was->src));
    }
    __be32 addresses[2];
    was->l3_bytes = sizeof(struct iphdr);
    if (bpf_skb_load_bytes(skb, was->l3_off + 12, addresses, sizeof(addresses))) return -1;
    lk_load_addr4(&was->src, &addresses[0]);
    lk_load_addr4(&was->dst, &addresses[1]);
    return 0;
}

/* Source and destination are single hosts that could have been talking (RFC 1122 3.2.2, RFC 4443 2.4 e). */
static __always_inline int lk_may_answer(struct __sk_buff *skb, const struct lk_refused *was) {
    if (lk_addr_unspecified(&was->src) || lk_addr_multicast(&was->src)) return 0;
    if (lk_addr_unspecified(&was->dst) || lk_addr_multicast(&was->dst)) return 0;
    if (was->four) {
        __u32 first = LK_NTOHL(was->src.w[3]) >> 24;
        if (first == 0 || first == 127 || was->src.w[3] == 0xffffffff || was->dst.w[3] == 0xffffffff)
            return 0;
    }
    if (was->l3_off) {
        __u8 group = 1;
        if (bpf_skb_load_bytes(skb, 0, &group, 1) || (group & 1)) return 0;
    }
    return 1;
}

/* From the packet's destination to its source. */
static __always_inline long lk_store_ip(struct __sk_buff *skb, const struct lk_refused *was, __u8 proto,
                                        __u16 payload_bytes) {
    if (was->four) {
        struct iphdr ip = {
            .version = 4,
            .ihl = 5,
            .tot_len = LK_HTONS(sizeof(ip) + payload_bytes),
            .frag_off = LK_HTONS(0x4000),
            .ttl = LK_ANSWER_TTL,
            .protocol = proto,
            .saddr = was->dst.w[3],
            .daddr = was->src.w[3],
        };
        ip.check = ~lk_csum_fold(lk_csum_words(&ip, 5));
        return bpf_skb_store_bytes(skb, was->l3_off, &ip, sizeof(ip), 0);
    }
    struct ipv6hdr ip = {
        .version = 6,
        .payload_len = LK_HTONS(payload_bytes),
        .nexthdr = proto,
        .hop_limit = LK_ANSWER_TTL,
    };
    __builtin_memcpy(&ip.saddr, &was->dst, 16);
    __builtin_memcpy(&ip.daddr, &was->src, 16);
    return bpf_skb_store_bytes(skb, was->l3_off, &ip, sizeof(ip), 0);
}

/* To whoever sent it: an address that is not the device's own would be taken for another host's frame. */
static __always_inline long lk_swap_macs(struct __sk_buff *skb) {
    __u8 macs[12];
    if (bpf_skb_load_bytes(skb, 0, macs + 6, 6) || bpf_skb_load_bytes(skb, 6, macs, 6)) return -1;
    return bpf_skb_store_bytes(skb, 0, macs, sizeof(macs), 0);
}

/* The answer's headers in front of what is there; then to the own ingress. The fwmark would choose its route.
 */
static __always_inline int lk_send_back(struct __sk_buff *skb, const struct lk_refused *was, __u8 proto,
                                        __u16 payload_bytes, const void *header, __u32 header_bytes) {
    if (was->l3_off && lk_swap_macs(skb)) return TC_ACT_SHOT;
    if (lk_store_ip(skb, was, proto, payload_bytes)) return TC_ACT_SHOT;
    if (bpf_skb_store_bytes(skb, was->l3_off + was->l3_bytes, header, header_bytes, 0)) return TC_ACT_SHOT;
    skb->mark = 0;
    return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
}

/* Where the IP packet ends, by its own length, from the start of the frame. */
static __always_inline __u32 lk_ip_end(struct __sk_buff *skb, const struct lk_refused *was) {
    __be16 length = 0;
    bpf_skb_load_bytes(skb, was->l3_off + (was->four ? 2 : 4), &length, sizeof(length));
    if (!length) return skb->len; /* BIG TCP */
    return was->l3_off + (was->four ? 0 : was->l3_bytes) + LK_NTOHS(length);
}

static __always_inline int lk_refuse_tcp(struct __sk_buff *skb, const struct lk_refused *was) {
    struct tcphdr it, tcp = {};
    if (bpf_skb_load_bytes(skb, was->l4_off, &it, sizeof(it)) || it.rst) return TC_ACT_SHOT;
    if (!lk_within_limit(LK_LIMIT_RESET, LK_RESETS_PER_WINDOW)) return TC_ACT_SHOT;

    tcp.source = it.dest;
    tcp.dest = it.source;
    tcp.doff = sizeof(tcp) / 4;
    tcp.rst = 1;
    if (it.ack) {
        tcp.seq = it.ack_seq;
    } else {
        __u32 length = lk_ip_end(skb, was) - was->l4_off - it.doff * 4u + it.syn + it.fin;
        tcp.ack_seq = LK_HTONL(LK_NTOHL(it.seq) + length);
        tcp.ack = 1;
    }
    /*
     * A finished checksum C makes pseudo + header + C zero; in a CHECKSUM_PARTIAL packet the field holds the
     * pseudo-header's sum. The urgent pointer, which says nothing without URG, is chosen so that both are one
     * number: header = -2 * pseudo.
     */
    __u64 pseudo = lk_csum_fold(lk_csum_pseudo(&was->src, &was->dst, LK_PROTO_TCP, sizeof(tcp)));
    tcp.urg_ptr = ~lk_csum_fold(lk_csum_words(&tcp, 5) + 2 * pseudo);
    tcp.check = pseudo;

    __s32 extensions = was->l4_off - was->l3_off - was->l3_bytes;
    if (bpf_skb_change_tail(skb, was->l4_off + sizeof(tcp), 0)) return TC_ACT_SHOT;
    if (extensions && bpf_skb_adjust_room(skb, -extensions, BPF_ADJ_ROOM_NET, 0)) return TC_ACT_SHOT;
    return lk_send_back(skb, was, LK_PROTO_TCP, sizeof(tcp), &tcp, sizeof(tcp));
}

/* mtu: bytes that would have been taken, or 0: the port is unreachable. */
static __always_inline int lk_refuse_icmp(struct __sk_buff *skb, const struct lk_refused *was, __u32 mtu) {
    if (!lk_within_limit(LK_LIMIT_ICMP, LK_ICMP_PER_WINDOW)) return TC_ACT_SHOT;

    const __u32 most = was->four ? LK_QUOTE4_BYTES : LK_QUOTE6_BYTES;
    __u32 quote = lk_ip_end(skb, was) - was->l3_off;
    if (quote > most) quote = most;
    if (bpf_skb_change_tail(skb, was->l3_off + quote, 0)) return TC_ACT_SHOT;
    __s64 sum = lk_csum_range(skb, was->l3_off, quote);
    if (sum < 0) return TC_ACT_SHOT;

    /*
     * The quote goes back as it came (RFC 1122 3.2.2). In a CHECKSUM_PARTIAL packet the quoted UDP checksum
     * is the unfinished one, as in the kernel's own answers; who takes the answer finds it marked the same
     * way.
     */
    struct lk_unreachable icmp = {};
    __u16 payload_bytes = sizeof(icmp) + quote;
    icmp.type = was->four ? LK_UNREACHABLE4 : mtu ? LK_TOO_BIG6 : LK_UNREACHABLE6;
    icmp.code = was->four ? (mtu ? LK_UNREACHABLE4_BIG : LK_UNREACHABLE4_PORT)
                : mtu     ? 0
                          : LK_UNREACHABLE6_PORT;
    icmp.mtu = LK_HTONL(mtu);
    if (!was->four) sum += lk_csum_pseudo(&was->src, &was->dst, LK_PROTO_ICMPV6, payload_bytes);
    icmp.checksum = ~lk_csum_fold(sum + lk_csum_words(&icmp, 2));

    if (bpf_skb_adjust_room(skb, was->l3_bytes + sizeof(icmp), BPF_ADJ_ROOM_MAC, 0)) return TC_ACT_SHOT;
    return lk_send_back(skb, was, was->four ? LK_PROTO_ICMP : LK_PROTO_ICMPV6, payload_bytes, &icmp,
                        sizeof(icmp));
}

/* The TC action for a refused packet. mtu: as above, if it is refused for its size. */
static __always_inline int lk_refuse(struct __sk_buff *skb, const struct lk_pkt *pkt, __u32 mtu) {
    const int tcp = pkt->proto == LK_PROTO_TCP;
    struct lk_refused was;
    if (pkt->shape != LK_SHAPE_IP || pkt->frag == LK_FRAG_TAIL) return TC_ACT_SHOT;
    if (!tcp && pkt->proto != LK_PROTO_UDP) return TC_ACT_SHOT;
    skb->cb[3] = tcp && !mtu;
    skb->cb[4] = mtu;
    if (lk_refused_read(skb, pkt, &was) || !lk_may_answer(skb, &was)) return TC_ACT_SHOT;
    return *(volatile __u32 *)&skb->cb[3] ? lk_refuse_tcp(skb, &was)
                                          : lk_refuse_icmp(skb, &was, *(volatile __u32 *)&skb->cb[4]);
}

#endif
