/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * Frame -> struct lk_pkt: what docs/policy.md calls "Reading a packet". Reads the frame's own bytes and
 * nothing else (no metadata that the sender chose), knows no policy and calls no helper.
 */
#ifndef LEAKBPF_BPF_PARSE_H
#define LEAKBPF_BPF_PARSE_H

#include "base.h"
#include "proto.h"

enum lk_shape {
    LK_SHAPE_ALIEN = 0, /* row 1: neither IP nor a link protocol that we know */
    LK_SHAPE_BAD,       /* row 2 */
    LK_SHAPE_IP,
    LK_SHAPE_ARP,
    LK_SHAPE_EAPOL,
    LK_SHAPE_LACP,
    LK_SHAPE_BPDU,
    LK_SHAPE_PPPOE,
};

enum lk_frag_part { LK_WHOLE = 0, LK_FRAG_FIRST, LK_FRAG_TAIL };

/* Header bits of TCP, as in its byte 13. */
#define LK_TCP_FIN 0x01
#define LK_TCP_SYN 0x02
#define LK_TCP_RST 0x04
#define LK_TCP_ACK 0x10

struct lk_pkt {
    struct lk_addr src;    /* ARP: sender protocol address */
    struct lk_addr dst;    /* ARP: target protocol address */
    struct lk_addr target; /* of a neighbour solicitation */
    __u32 frag_id;         /* IPv4: 16 bits; compared, never read as a number */
    __u16 ethertype;       /* host byte order, after VLAN tags; 0 for an L3 device's unknown version */
    __u16 l3_off;          /* bytes from the start of the frame */
    __u16 l4_off;          /* 0 in a fragment tail */
    __be16 sport;          /* TCP and UDP, else 0 */
    __be16 dport;
    __u8 shape;      /* enum lk_shape */
    __u8 family;     /* 4 or 6; 0: not IP */
    __u8 proto;      /* upper layer; in a tail what the fragment's header says */
    __u8 frag_proto; /* protocol in the fragment table's key */
    __u8 frag;       /* enum lk_frag_part */
    __u8 hop_limit;
    __u8 type; /* ICMP and ICMPv6 type */
    __u8 tcp_flags;
    __u8 vlan_tags;
    __u8 cut; /* a header lies beyond the linear part: read again with more of the frame */
};

#define LK_ETH_LEN             14u
#define LK_MAX_EXTENSIONS      8
#define LK_MAX_EXTENSION_BYTES 512u
#define LK_EXTENSION_MASK      1023u /* says no more, but what a mask says Linux 6.1 and older keep in mind */
/* The farthest byte that is ever read: link header, tags, IPv6 with extensions, neighbour solicitation. */
#define LK_MAX_HEADER_BYTES (LK_ETH_LEN + 8u + 40u + LK_MAX_EXTENSION_BYTES + 24u)

static __always_inline void lk_shape_set(struct lk_pkt *p, enum lk_shape shape) {
    p->shape = shape;
}

/* The frame ends, or its linear part does, before a header that had to be there. */
static __always_inline void lk_cut(struct lk_pkt *p, enum lk_shape shape) {
    p->shape = shape;
    p->cut = 1;
}

/* The upper layer of a whole packet or first fragment. at: its first byte; left: payload bytes from there. */
static __always_inline void lk_parse_upper(struct lk_pkt *p, const __u8 *at, const __u8 *end, __u32 left) {
    p->shape = LK_SHAPE_BAD;
    switch (p->proto) {
    case LK_PROTO_TCP: {
        if (left < 20) return;
        if (at + 20 > end) return lk_cut(p, LK_SHAPE_BAD);
        __u32 header = (at[12] >> 4) * 4u;
        if (header < 20 || header > left) return;
        p->sport = lk_load16(at);
        p->dport = lk_load16(at + 2);
        p->tcp_flags = at[13];
        break;
    }
    case LK_PROTO_UDP: {
        if (left < 8) return;
        if (at + 8 > end) return lk_cut(p, LK_SHAPE_BAD);
        __u32 length = LK_NTOHS(lk_load16(at + 4));
        if (length < 8 || (p->frag == LK_WHOLE && length > left)) return;
        p->sport = lk_load16(at);
        p->dport = lk_load16(at + 2);
        break;
    }
    case LK_PROTO_ICMPV6:
        if (p->family != 6) break;
        if (left < 8) return;
        if (at + 8 > end) return lk_cut(p, LK_SHAPE_BAD);
        p->type = at[0];
        if (p->type == LK_ICMPV6_RA && left < 16) return;
        if (p->type == LK_ICMPV6_NS || p->type == LK_ICMPV6_NA) {
            if (left < 24) return;
            if (at + 24 > end) return lk_cut(p, LK_SHAPE_BAD);
            lk_load_addr6(&p->target, at + 8);
            if (lk_addr_mapped(&p->target)) return; /* would be taken for IPv4 */
        }
        break;
    case LK_PROTO_ICMP:
        if (p->family != 4) break;
        if (left < 8) return;
        if (at + 8 > end) return lk_cut(p, LK_SHAPE_BAD);
        p->type = at[0];
        break;
    case LK_PROTO_IGMP:
    case LK_PROTO_SCTP:
    case LK_PROTO_DCCP:
    case LK_PROTO_UDPLITE:
        if (left < 8) return;
        break;
    default: break;
    }
    p->shape = LK_SHAPE_IP;
}

/* left: bytes from the IP header to the end of the frame. */
static __always_inline void lk_parse_ipv4(struct lk_pkt *p, const __u8 *ip, const __u8 *end, __u32 left) {
    p->shape = LK_SHAPE_BAD;
    p->family = 4;
    if (left < 20) return;
    if (ip + 20 > end) return lk_cut(p, LK_SHAPE_BAD);

    __u32 total = LK_NTOHS(lk_load16(ip + 2));
    if (total == 0 && left > 65535) total = left; /* BIG TCP */
    __u32 header = 20;
    p->proto = ip[9];
    if (ip[0] != 0x45) {
        /* No options, but for router alert on IGMP (RFC 2113). */
        if (ip[0] != 0x46 || p->proto != LK_PROTO_IGMP) return;
        header = 24;
        if (left < 24) return;
        if (ip + 24 > end) return lk_cut(p, LK_SHAPE_BAD);
        if (lk_load32(ip + 20) != LK_HTONL(0x94040000)) return;
    }
    if (total < header || total > left) return;

    __u16 fragment = LK_NTOHS(lk_load16(ip + 6));
    p->hop_limit = ip[8];
    p->frag_proto = p->proto;
    lk_load_addr4(&p->src, ip + 12);
    lk_load_addr4(&p->dst, ip + 16);
    if (fragment & 0x3fff) {
        p->frag = fragment & 0x1fff ? LK_FRAG_TAIL : LK_FRAG_FIRST;
        p->frag_id = lk_load16(ip + 4);
        if (p->frag == LK_FRAG_TAIL) {
            p->shape = LK_SHAPE_IP;
            return;
        }
    }
    p->l4_off = p->l3_off + header;
    if (header == 20)
        lk_parse_upper(p, ip + 20, end, total - 20);
    else if (total - 24 >= 8) /* IGMP; its message is not read */
        p->shape = LK_SHAPE_IP;
}

static __always_inline int lk_is_extension(__u8 proto) {
    return proto == LK_PROTO_HOPOPTS || proto == LK_PROTO_DSTOPTS || proto == LK_PROTO_FRAGMENT ||
           proto == LK_PROTO_AH;
}

static __always_inline int lk_is_refused_extension(__u8 proto) {
    return proto == LK_PROTO_ROUTING || proto == LK_PROTO_MOBILITY || proto == LK_PROTO_HIP ||
           proto == LK_PROTO_SHIM6 || proto == 253 || proto == 254;
}

static __always_inline void lk_parse_ipv6(struct lk_pkt *p, const __u8 *ip, const __u8 *end, __u32 left) {
    p->shape = LK_SHAPE_BAD;
    p->family = 6;
    if (left < 40) return;
    if (ip + 40 > end) return lk_cut(p, LK_SHAPE_BAD);
    if ((ip[0] >> 4) != 6) return;

    __u32 payload = LK_NTOHS(lk_load16(ip + 4));
    if (payload == 0 && left > 65575) payload = left - 40; /* BIG TCP */
    if (payload > left - 40) return;
    p->hop_limit = ip[7];
    lk_load_addr6(&p->src, ip + 8);
    lk_load_addr6(&p->dst, ip + 24);
    if (lk_addr_mapped(&p->src) || lk_addr_mapped(&p->dst)) return;

    __u8 next = ip[6];
    /* Volatile: kept in memory, so that the verifier knows it by its bound alone and walks each step once. */
    volatile __u16 walked = 0; /* bytes of extension headers so far */
    int fragmented = 0;
    for (int i = 0; lk_is_extension(next); i++) {
        __u32 bytes = walked & LK_EXTENSION_MASK;
        __u32 length;
        if (bytes > LK_MAX_EXTENSION_BYTES || payload < bytes + 8) return;
        const __u8 *at = ip + 40 + bytes;
        if (i == LK_MAX_EXTENSIONS || (next == LK_PROTO_HOPOPTS && i != 0)) return;
        if (at + 8 > end) return lk_cut(p, LK_SHAPE_BAD);
        if (next == LK_PROTO_FRAGMENT) {
            if (fragmented) return;
            fragmented = 1;
            length = 8;
            __u16 offset = LK_NTOHS(lk_load16(at + 2));
            if (offset & 0xfff9) {
                p->frag = offset & 0xfff8 ? LK_FRAG_TAIL : LK_FRAG_FIRST;
                p->frag_id = lk_load32(at + 4);
                p->frag_proto = at[0];
            }
        } else if (next == LK_PROTO_AH) {
            length = (at[1] + 2u) * 4;
        } else {
            length = (at[1] + 1u) * 8;
        }
        bytes += length;
        if (bytes > LK_MAX_EXTENSION_BYTES || bytes > payload) return;
        walked = bytes;
        next = at[0];
        if (p->frag == LK_FRAG_TAIL) {
            p->proto = next;
            p->shape = LK_SHAPE_IP;
            return;
        }
    }
    if (lk_is_refused_extension(next)) return;
    __u32 bytes = walked & LK_EXTENSION_MASK;
    if (bytes > LK_MAX_EXTENSION_BYTES) return;
    p->proto = next;
    p->l4_off = p->l3_off + 40 + bytes;
    lk_parse_upper(p, ip + 40 + bytes, end, payload - bytes);
}

static __always_inline void lk_parse_arp(struct lk_pkt *p, const __u8 *arp, const __u8 *end, __u32 left) {
    p->shape = LK_SHAPE_ALIEN;
    if (left < 28) return;
    if (arp + 28 > end) return lk_cut(p, LK_SHAPE_ALIEN);
    if (lk_load32(arp) != LK_HTONL(0x00010800) || lk_load16(arp + 4) != LK_HTONS(0x0604)) return;
    __u16 operation = LK_NTOHS(lk_load16(arp + 6));
    if (operation != 1 && operation != 2) return;
    lk_load_addr4(&p->src, arp + 14);
    lk_load_addr4(&p->dst, arp + 24);
    p->shape = LK_SHAPE_ARP;
}

/* Ethernet header and VLAN tags: p->ethertype and p->l3_off. 0: what it is has been said. */
static __always_inline int lk_parse_ethernet(struct lk_pkt *p, const __u8 *frame, const __u8 *end,
                                             __u32 length) {
    if (length < LK_ETH_LEN) return 0;
    if (frame + LK_ETH_LEN > end) return lk_cut(p, LK_SHAPE_ALIEN), 0;
    __u16 type = LK_NTOHS(lk_load16(frame + 12));
    p->l3_off = LK_ETH_LEN;
    for (int i = 0; i < 2; i++) {
        if (type != 0x8100 && type != 0x88a8) break;
        const __u8 *tag = frame + LK_ETH_LEN + i * 4;
        if (length < LK_ETH_LEN + i * 4 + 4) return 0;
        if (tag + 4 > end) return lk_cut(p, LK_SHAPE_ALIEN), 0;
        type = LK_NTOHS(lk_load16(tag + 2));
        p->l3_off = LK_ETH_LEN + i * 4 + 4;
        p->vlan_tags++;
    }
    p->ethertype = type;
    return 1;
}

/* A device whose packets begin with the IP header. */
static __always_inline int lk_parse_bare(struct lk_pkt *p, const __u8 *frame, const __u8 *end, __u32 length) {
    if (length < 1) return 0;
    if (frame + 1 > end) return lk_cut(p, LK_SHAPE_ALIEN), 0;
    const __u8 version = frame[0] >> 4;
    if (version != 4 && version != 6) return 0;
    p->ethertype = version == 4 ? 0x0800 : 0x86dd;
    return 1;
}

/* IEEE 802.2 with the group address of bridges. */
static __always_inline void lk_parse_bpdu(struct lk_pkt *p, const __u8 *frame, const __u8 *end,
                                          __u32 length) {
    if (length < 17) return;
    if (frame + 17 > end) return lk_cut(p, LK_SHAPE_ALIEN);
    if (lk_load32(frame) == LK_HTONL(0x0180c200) && lk_load16(frame + 4) == 0 &&
        lk_load16(frame + 14) == LK_HTONS(0x4242) && frame[16] == 0x03)
        p->shape = LK_SHAPE_BPDU;
}

/*
 * frame..end: the bytes that can be read; length: of the whole frame, at least end - frame.
 * p: all zero. If p->cut is set and end - frame < length, call again with more bytes (at most
 * LK_MAX_HEADER_BYTES are ever read); otherwise p->shape is final.
 */
static __always_inline void lk_parse(struct lk_pkt *p, const __u8 *frame, const __u8 *end, __u32 length,
                                     int l3_device) {
    if (l3_device ? !lk_parse_bare(p, frame, end, length) : !lk_parse_ethernet(p, frame, end, length)) return;
    lk_forget();
    const __u32 offset = p->l3_off & 31;
    if (offset > LK_ETH_LEN + 8 || offset > length) return;
    const __u8 *at = frame + offset;
    const __u16 type = p->ethertype;
    switch (type) {
    case 0x0800: return lk_parse_ipv4(p, at, end, length - offset);
    case 0x86dd: return lk_parse_ipv6(p, at, end, length - offset);
    case 0x0806: return lk_parse_arp(p, at, end, length - offset);
    case 0x888e: return lk_shape_set(p, LK_SHAPE_EAPOL);
    case 0x8809: return lk_shape_set(p, LK_SHAPE_LACP);
    case 0x8863:
    case 0x8864: return lk_shape_set(p, LK_SHAPE_PPPOE);
    default: break;
    }
    if (type < 0x0600 && p->vlan_tags == 0) lk_parse_bpdu(p, frame, end, length);
}

#endif
