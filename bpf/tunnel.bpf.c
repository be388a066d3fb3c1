// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/*
 * TC on a tunnel. Ingress: answers of the resolver to queries that an uplink or this tunnel sent on are
 * turned back and delivered. Egress: queries that take the tunnel by themselves, to other servers, are turned
 * to the resolver in place, or sent on into its own tunnel. Everything else is left alone: a tunnel is not
 * filtered.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

/* In this order: the lookups, then the text that asks them. */
#include "lookup.h"

#include "back_maps.h"
#include "dns.h"
#include "gateway.h"
#include "glance.h"
#include "hidden.h"
#include "identity.h"
#include "refuse_maps.h"
#include "tell.h"

#define LK_NEXT (-1)

/* By ifindex, the tunnels that carry queries: struct lk_tunnel. A packet does not say whether it begins with
 * a MAC header. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, LK_TUNNELS);
    __type(key, __u32);
    __type(value, struct lk_tunnel);
} lk_tunnels SEC(".maps");

static __always_inline const struct lk_tunnel *lk_find_tunnel(struct __sk_buff *skb) {
    __u32 ifindex = skb->ifindex;
    return bpf_map_lookup_elem(&lk_tunnels, &ifindex);
}

/*
 * Reads a packet of a tunnel: like lk_parse, but that VLAN tags are left to others. Global, as those of
 * carry_maps.h, and the link header's length is a number in the room: else the verifier walks all of it once
 * for each of its values, and what follows once for each way through the parser. Not 0: more of the frame
 * must be read.
 */
__noinline int lk_room_read(struct __sk_buff *skb) {
    struct lk_carry *room = lk_carry_room();
    if (!room) return 0;
    const __u32 link = *(volatile __u32 *)&room->link & 15;
    const __u8 *frame = (const __u8 *)(long)skb->data, *end = (const __u8 *)(long)skb->data_end;
    const __u8 *ip = frame + link;
    struct lk_pkt *pkt = &room->pkt; /* in memory, where the verifier keeps no account of what is written */
    __builtin_memset(pkt, 0, sizeof(*pkt));
    pkt->l3_off = link;
    if (skb->len < link + 1) {
        pkt->shape = LK_SHAPE_ALIEN;
    } else if (ip + 1 > end) {
        lk_cut(pkt, LK_SHAPE_ALIEN);
    } else {
        const __u16 type = ip[0] >> 4 == 4 ? 0x0800 : ip[0] >> 4 == 6 ? 0x86dd : 0;
        pkt->ethertype = type;
        if (!link || (frame + LK_ETH_LEN <= end && lk_load16(frame + 12) == LK_HTONS(type))) {
            if (type == 0x0800) lk_parse_ipv4(pkt, ip, end, skb->len - link);
            if (type == 0x86dd) lk_parse_ipv6(pkt, ip, end, skb->len - link);
        }
    }
    return pkt->cut;
}

/* The case of this packet, read anew with more of the frame if it must be. */
static __always_inline struct lk_carry *lk_case_of(struct __sk_buff *skb, __u32 l3) {
    struct lk_carry *room = lk_carry_room();
    if (!room) return NULL;
    room->ifindex = skb->ifindex;
    room->l3 = l3;
    room->link = l3 ? 0 : LK_ETH_LEN;
    if (lk_room_read(skb) && (__u32)(skb->data_end - skb->data) < skb->len) {
        __u32 want = skb->len < LK_MAX_HEADER_BYTES ? skb->len : LK_MAX_HEADER_BYTES;
        if (bpf_skb_pull_data(skb, want)) return NULL;
        lk_room_read(skb);
    }
    return room;
}

/* To whoever asked, as if it came in by the device that the query wanted to leave by: the reverse-path filter
 * and sockets that are bound to the device then take it. */
static __always_inline int lk_deliver(struct __sk_buff *skb, const struct lk_carry *room, __u32 l3) {
    const struct lk_nat_flow *flow = &room->flow;
    if (flow->ifindex == skb->ifindex) return LK_NEXT;
    if (!flow->l3) {
        struct {
            __u8 to[6];
            __u8 from[6];
            __be16 type;
        } mac;
        __builtin_memcpy(mac.to, flow->macs + 6, 6);
        __builtin_memcpy(mac.from, flow->macs, 6);
        mac.type = lk_addr_mapped(&flow->asker) ? LK_HTONS(0x0800) : LK_HTONS(0x86dd);
        if (l3 && bpf_skb_change_head(skb, LK_ETH_LEN, 0)) return TC_ACT_SHOT;
        if (bpf_skb_store_bytes(skb, 0, &mac, LK_ETH_LEN, 0)) return TC_ACT_SHOT;
    }
    return bpf_redirect(flow->ifindex, BPF_F_INGRESS);
}

SEC("tc")
int lk_tunnel_in(struct __sk_buff *skb) {
    const struct lk_tunnel *tunnel = lk_find_tunnel(skb);
    if (!tunnel) return LK_NEXT;
    const __u32 l3 = !tunnel->ethernet;
    const struct lk_glance seen = lk_glance_at(skb, l3 ? 0 : LK_ETH_LEN);
    if (lk_is_plainly_no_answer(&seen)) return LK_NEXT;
    struct lk_carry *room = lk_case_of(skb, l3);
    if (!room) return LK_NEXT;
    room->now = LK_NAT_TICKS(bpf_ktime_get_ns());
    switch (lk_room_back(skb)) {
    case LK_CARRY_DONE: return lk_deliver(skb, room, l3);
    case LK_CARRY_SPOILT: return TC_ACT_SHOT;
    default: return LK_NEXT;
    }
}

/* Notes the sender's user on the way. */
static __noinline int lk_is_daemon(struct __sk_buff *skb, const struct lk_policy *policy,
                                   struct lk_carry *room) {
    struct bpf_sock *sk = skb->sk;
    struct bpf_sock *full = sk ? bpf_sk_fullsock(sk) : NULL;
    if (!full) return 0;
    const struct lk_mark *mark = bpf_sk_storage_get(&lk_marks, full, 0, 0);
    if (!mark) return 0;
    room->sender = mark->uid;
    if (lk_uid_is_daemon(policy, mark->uid)) return 1;
    for (__u32 i = 0; i < LK_MAX_CGROUPS; i++) {
        if (i >= policy->n_cgroups) break;
        if (bpf_skb_ancestor_cgroup_id(skb, policy->cgroups[i].level) == policy->cgroups[i].id) return 1;
    }
    return 0;
}

/* From a port that the sender's own socket has: it is no other's query that was sent on. */
static __always_inline int lk_is_own_port(const struct __sk_buff *skb, __be16 sport) {
    const struct bpf_sock *sk = skb->sk;
    return sk && sk->src_port == LK_NTOHS(sport);
}

/* A resolver on another port is asked there, and who asks its port 53 asks it by another name. */
static __always_inline int lk_is_asked(const struct lk_pkt *pkt, const struct lk_addr *resolver,
                                       __be16 port) {
    return pkt->dport == port && lk_addr_equal(&pkt->dst, resolver);
}

/* Sent to a resolver already, by its name or by us. */
static __always_inline int lk_to_resolver(const struct lk_policy *policy, const struct lk_pkt *pkt) {
    return ((policy->flags & LK_POLICY_RESOLVER4) &&
            lk_is_asked(pkt, &policy->resolver4, policy->resolver4_port)) ||
           ((policy->flags & LK_POLICY_RESOLVER6) &&
            lk_is_asked(pkt, &policy->resolver6, policy->resolver6_port)) ||
           lk_is_asked(pkt, &policy->way4.resolver, policy->way4.port) ||
           lk_is_asked(pkt, &policy->way6.resolver, policy->way6.port);
}

/*
 * To a resolver, but so that no answer finds back: by another tunnel than its own, or from an address that is
 * not the tunnel's, as a socket's that was connected before the tunnel was there, or that is bound to the
 * uplink's address, or a client's behind this machine. What the kernel sends by itself (resets) is not meant.
 */
static __always_inline int lk_is_astray(struct __sk_buff *skb, const struct lk_policy *policy,
                                        const struct lk_pkt *pkt) {
    const struct lk_way *way = lk_way_for(policy, pkt->family);
    return way && (skb->sk || skb->ingress_ifindex) &&
           (way->ifindex != skb->ifindex || !lk_addr_equal(&pkt->src, &way->source));
}

static __noinline int lk_is_query(const struct lk_pkt *pkt) {
    return pkt->shape == LK_SHAPE_IP && pkt->frag != LK_FRAG_TAIL && pkt->dport == LK_HTONS(53) &&
           (pkt->proto == LK_PROTO_TCP || pkt->proto == LK_PROTO_UDP);
}

__noinline int lk_room_hides_query(struct __sk_buff *skb) {
    struct lk_carry *room = lk_carry_room();
    return room ? lk_hides_query(skb, room) : 1;
}

/*
 * Not 0: the packet is the one that this CPU has just sent on, which is told before it is read as others are:
 * by what lk_carry_send wrote into it. The sender's own port is another than the one that it was given, but
 * for chance: whoever has that one for his own may say the same to the resolver.
 */
static __always_inline int lk_is_as_sent(struct __sk_buff *skb, const struct lk_carry *room, __u32 link) {
    const struct lk_leg *to = &room->t.to;
    if (to->sport != room->t.from.sport && lk_is_own_port(skb, to->sport)) return 0;
    const __u8 *ip = (const __u8 *)(long)skb->data + link, *end = (const __u8 *)(long)skb->data_end;
    if (ip + 24 > end) return 0;
    if (ip[0] == 0x45)
        return ip[9] == room->t.proto && !(lk_load16(ip + 6) & LK_HTONS(0x3fff)) &&
               lk_addr_mapped(&to->src) && lk_load32(ip + 12) == to->src.w[3] &&
               lk_load32(ip + 16) == to->dst.w[3] && lk_load16(ip + 20) == to->sport &&
               lk_load16(ip + 22) == to->dport;
    if (ip + 44 > end || ip[0] >> 4 != 6 || ip[6] != room->t.proto) return 0;
    struct lk_addr src, dst;
    lk_load_addr6(&src, ip + 8);
    lk_load_addr6(&dst, ip + 24);
    return lk_addr_equal(&src, &to->src) && lk_addr_equal(&dst, &to->dst) &&
           lk_load16(ip + 40) == to->sport && lk_load16(ip + 42) == to->dport;
}

/* It comes here once. */
static __always_inline int lk_just_sent(struct __sk_buff *skb, __u32 link) {
    struct lk_carry *room = lk_carry_room();
    if (!room || !room->sent || room->sent != skb->ifindex || !lk_is_as_sent(skb, room, link)) return 0;
    room->sent = 0;
    return 1;
}

SEC("tc")
int lk_tunnel_out(struct __sk_buff *skb) {
    const struct lk_tunnel *tunnel = lk_find_tunnel(skb);
    if (!tunnel) return LK_NEXT;
    const __u32 link = tunnel->ethernet ? LK_ETH_LEN : 0;
    const struct lk_glance seen = lk_glance_at(skb, link);
    if (lk_is_plainly_no_query(&seen)) return LK_NEXT;
    const struct lk_host *host = lk_find_host();
    if (!host || !(host->policy.flags & LK_POLICY_ACTIVE)) return LK_NEXT;
    const struct lk_policy *policy = &host->policy;
    if (!(policy->flags & (LK_POLICY_RESOLVER4 | LK_POLICY_RESOLVER6))) return LK_NEXT;
    if (lk_is_plainly_direct(policy, skb, &seen, link)) return LK_NEXT;
    if (lk_just_sent(skb, link)) return LK_NEXT;
    struct lk_carry *room = lk_case_of(skb, !tunnel->ethernet);
    if (!room) return TC_ACT_SHOT; /* no memory to read it */
    if (!lk_is_query(&room->pkt)) {
        if (room->pkt.shape != LK_SHAPE_BAD || !lk_room_hides_query(skb)) return LK_NEXT;
        lk_tally(LK_HOOK_TUNNEL, LK_MALFORMED, 1, skb->len);
        return TC_ACT_SHOT;
    }
    room->now = LK_NAT_TICKS(bpf_ktime_get_ns());
    if (lk_room_is_ours(skb) && !lk_is_own_port(skb, room->pkt.sport)) return LK_NEXT;
    /* Directly to a resolver, but from a port of ours: its answer would be taken for another's. */
    const int direct = lk_to_resolver(policy, &room->pkt) && !lk_is_nat_port(room->pkt.sport);
    if (direct && !lk_is_astray(skb, policy, &room->pkt)) return LK_NEXT;
    if (lk_covers(policy, &room->pkt.dst, room->pkt.proto, room->pkt.dport)) return LK_NEXT;
    room->sender = lk_nat_sender(skb, NULL);
    if (lk_is_daemon(skb, policy, room)) return LK_NEXT;

    struct lk_answer answer = lk_verdict_dns(policy, &room->pkt);
    const struct lk_way *way = lk_way_for(policy, room->pkt.family);
    int carried = LK_CARRY_STRAY;
    room->mtu = 0;
    if (answer.verdict == LK_REWRITE && way) {
        room->way = *way;
        room->mtu = lk_carry_too_big(skb, room, skb->gso_size);
        if (!room->mtu) carried = lk_room_resume(skb);
        if (carried == LK_CARRY_NEW) carried = lk_room_admit(skb);
        if (carried == LK_CARRY_DONE) carried = lk_room_send(skb);
        answer.reason = room->mtu                   ? LK_DNS_SIZE
                        : carried == LK_CARRY_DONE  ? LK_DNS
                        : carried == LK_CARRY_FULL  ? LK_DNS_PORTS
                        : carried == LK_CARRY_STRAY ? LK_DNS_FLOW
                                                    : LK_DNS_FORM;
    }
    /* A connection that began without us goes on so: to an address that the other end may know. */
    if (direct && answer.reason == LK_DNS_FLOW) return LK_NEXT;
    lk_tally(LK_HOOK_TUNNEL, answer.reason, 1, skb->len);
    if (carried == LK_CARRY_DONE && room->way.ifindex != skb->ifindex) return lk_send_on(skb, &room->way);
    room->sent = 0; /* it goes on from here */
    if (carried == LK_CARRY_DONE) return LK_NEXT;
    if (carried == LK_CARRY_SPOILT || (policy->flags & LK_POLICY_SILENT)) return TC_ACT_SHOT;
    return lk_room_refuse(skb);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
