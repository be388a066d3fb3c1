// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/*
 * Frames that no hook of a cgroup sees (packet sockets, forwarded packets, outer packets of tunnels, the
 * kernel's own answers) meet the policies of the cgroups at both ends of a container's link: at TC ingress of
 * the host's end, out of the container's reach, and at tcx egress of the container's own, which is all there
 * is where the link is no veth. What goes by such a device is the container's, whoever's socket it is.
 * No state but the fragments; nothing of ours needs to run. What is refused is dropped without a word: whom a
 * word would be for has had it from the hooks of his cgroup.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#define LK_SCOPE_FRAGMENTS
#define LK_KERNEL_SKB
#define LK_PROBED_SKB

#include "scope_maps.h"

/* Row F. The key has the policy's own set, so that no container opens the way for another's tails. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, LK_FRAG_ENTRIES);
    __type(key, struct lk_frag_key);
    __type(value, struct lk_frag);
} lk_scope_frags SEC(".maps");

static __always_inline const struct lk_frag *lk_lookup_frag(const struct lk_frag_key *key) {
    return bpf_map_lookup_elem(&lk_scope_frags, key);
}

static __always_inline long lk_gate_load(void *packet, __u32 offset, void *to, __u32 bytes) {
    return bpf_skb_load_bytes(packet, offset, to, bytes);
}

#include "kernel_cookie.h"
#include "kernel_net.h"
#include "link_addresses.h"
#include "scope_judge.h"
#include "scope_socket.h"
#include "stray.h"

#define LK_NEXT (-1) /* with the next program: TCX_NEXT and TC_ACT_UNSPEC */

/* The frame that is judged, and what its link says of it. */
struct lk_frame {
    struct lk_pkt pkt;
    __u32 own_source; /* of the container's end, or on top of it */
    __u32 own_target; /* the same, of ARP's and neighbour solicitations' */
    __u32 may_ask;    /* for that target: it tells nobody whom one visits */
    __u32 direct;     /* the destination is on the link */
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct lk_frame);
} lk_scope_room SEC(".maps");

static __always_inline struct lk_frame *lk_frame_room(void) {
    __u32 zero = 0;
    return bpf_map_lookup_elem(&lk_scope_room, &zero);
}

/* 0: it is whole, or nothing but the rest of it could say more. */
__noinline int lk_frame_parse(struct __sk_buff *skb) {
    struct lk_frame *frame = lk_frame_room();
    if (!frame) return 0;
    struct lk_pkt pkt = {};
    lk_parse(&pkt, (const __u8 *)(long)skb->data, (const __u8 *)(long)skb->data_end, skb->len, 0);
    frame->pkt = pkt;
    return pkt.cut;
}

/* RFC 1918, RFC 3927, RFC 4193, RFC 4291 2.5.6: who has such an address is nobody's secret. */
static __always_inline int lk_is_private(const struct lk_addr *addr) {
    if (!lk_addr_mapped(addr))
        return lk_addr_link_local6(addr) || (addr->w[0] & LK_HTONL(0xfe000000)) == LK_HTONL(0xfc000000);
    const __u32 host = LK_NTOHL(addr->w[3]);
    return host >> 24 == 10 || host >> 20 == 0xac1 || host >> 16 == 0xc0a8 || host >> 16 == 0xa9fe;
}

/*
 * With nothing on top of the host's end, what is asked there reaches the host alone. On a bridge, which may
 * lead further, the container may ask for what is private, and in the networks of its own addresses.
 */
static __always_inline int lk_may_ask(int alone, const struct net_device *end, const struct lk_addr *addr) {
    return alone || lk_is_private(addr) || (lk_link_knows(end, addr) & LK_AT_LINK_NEAR);
}

/*
 * What the link says of the frame in the room. INSIDE: it is at the container's own end. Without such an end
 * it says nothing, and nothing is own.
 */
__noinline int lk_frame_look(struct __sk_buff *skb, __u32 inside) {
    struct lk_frame *frame = lk_frame_room();
    if (!frame) return 0;
    frame->own_source = frame->own_target = frame->may_ask = frame->direct = 0;
    const struct sk_buff *packet = (const void *)skb;
    const struct net_device *device = BPF_CORE_READ(packet, dev);
    const struct net_device *peer = device ? lk_peer(device) : NULL;
    const struct net_device *end = inside ? device : peer, *outer = inside ? peer : device;
    if (!end) return 0;
    const int alone = outer && !lk_has_uppers(outer);
    struct lk_pkt *p = &frame->pkt;
    frame->own_source = lk_link_knows(end, &p->src) & LK_AT_LINK_OWN;
    if (p->shape == LK_SHAPE_ARP) {
        frame->may_ask = lk_may_ask(alone, end, &p->dst);
    } else if (p->family == 6 && p->proto == LK_PROTO_ICMPV6) {
        /* What the host's devices say, as the host may route it on: the container gives itself any network.
         */
        frame->direct = outer && (lk_link_knows(outer, &p->dst) & LK_AT_LINK_NEAR);
        frame->may_ask = lk_may_ask(alone, end, &p->target);
        frame->own_target = lk_link_knows(end, &p->target) & LK_AT_LINK_OWN;
    }
    return 1;
}

static __always_inline int lk_arp_passes(const struct lk_scope *scope, const struct lk_frame *frame) {
    const struct lk_pkt *p = &frame->pkt;
    if (!frame->own_source && !lk_addr_unspecified(&p->src)) return 0;
    return frame->may_ask || (lk_scope_net_flags(scope, &p->dst) & LK_NET_LAN) ||
           lk_find_gw(&scope->policy, &p->dst);
}

static __always_inline void lk_frame_classify(const struct lk_scope *scope, const struct lk_frame *frame,
                                              struct lk_facts *facts) {
    const struct lk_pkt *p = &frame->pkt;
    if (p->frag == LK_FRAG_TAIL) {
        struct lk_frag_key key;
        lk_frag_key_of(&scope->policy, p, &key);
        const struct lk_frag *first = lk_lookup_frag(&key);
        if (first && first->expires_ns > bpf_ktime_get_ns()) facts->frag_reason = first->reason;
    } else {
        const __u32 direct = frame->direct || lk_find_gw(&scope->policy, &p->dst);
        lk_scope_classify(scope, p, direct, facts);
    }
    facts->own_source = frame->own_source;
    if (p->proto != LK_PROTO_ICMPV6 || p->type != LK_ICMPV6_NS) return;
    facts->target_net = (frame->own_target ? LK_NET_OWN : 0) | (frame->may_ask ? LK_NET_LAN : 0) |
                        (lk_scope_net_flags(scope, &p->target) & LK_NET_LAN);
    facts->target_gw = lk_find_gw(&scope->policy, &p->target) != NULL;
}

/* The maker of the frame's socket, if it is one of the internet's. */
static __always_inline int lk_is_of_vpn_user(struct __sk_buff *skb, const struct lk_scope *scope) {
    if (!scope->policy.n_uids) return 0;
    struct bpf_sock *sk = lk_whole_socket(skb);
    const struct lk_member *maker = sk ? bpf_sk_storage_get(&lk_members, sk, 0, 0) : NULL;
    return maker && lk_is_vpn_user(scope, maker->uid, maker->netns_cookie);
}

/* 1: the record of this slot lets the frame in the room pass. */
__noinline int lk_frame_passes(struct __sk_buff *skb, __u32 slot) {
    const struct lk_scope *scope = lk_scope_at(slot);
    struct lk_frame *frame = lk_frame_room();
    if (!scope || !frame || !(scope->policy.flags & LK_POLICY_ACTIVE)) return 0;
    const struct lk_policy *policy = &scope->policy;
    const struct lk_pkt *p = &frame->pkt;
    if (p->shape == LK_SHAPE_ARP) return lk_arp_passes(scope, frame);
    if (p->shape != LK_SHAPE_IP) return 0;
    const struct lk_sender sender = {.vpn_daemon = lk_gate_opaque(policy, lk_is_of_vpn_user(skb, scope))};
    struct lk_facts facts = {};
    lk_frame_classify(scope, frame, &facts);
    lk_blur(policy, &facts, sizeof(facts));
    struct lk_answer answer = lk_verdict_ip(policy, p, &sender, &facts);
    if (answer.verdict != LK_PASS && facts.own_source && p->frag != LK_FRAG_TAIL && facts.lan &&
        !(policy->flags & LK_POLICY_NO_LAN) && lk_to_resolver(policy, p))
        answer = LK_ANSWER(LK_PASS, LK_LAN);
    if (answer.verdict != LK_PASS) return 0;
    if (lk_opens_fragments(p, answer)) {
        struct lk_frag_key key;
        const struct lk_frag first = {.expires_ns = bpf_ktime_get_ns() + LK_FRAG_LIFE_NS,
                                      .reason = answer.reason};
        lk_frag_key_of(policy, p, &key);
        bpf_map_update_elem(&lk_scope_frags, &key, &first, BPF_ANY);
    }
    return 1;
}

/* 1: all policies pass that are still there. */
static __always_inline int lk_slots_pass(struct __sk_buff *skb, const struct lk_places *places) {
    for (int i = 0; i < (int)LK_SCOPE_NEST; i++) {
        const __u32 slot = places->slots[i];
        if (slot == LK_SCOPE_NONE || lk_frame_passes(skb, slot)) continue;
        struct lk_scope *scope = lk_scope_at(slot);
        if (scope) __sync_fetch_and_add(&scope->refused_packets, 1);
        return 0;
    }
    return 1;
}

/* A set of which no policy is left says nothing: whose it was may have ended, and others are behind the link.
 */
static __always_inline int lk_set_passes(struct __sk_buff *skb, const __u64 *ids) {
    struct lk_places places = {};
    int left = 0;
    for (int i = 0; i < (int)LK_SCOPE_NEST; i++) {
        const __u64 id = ids[i];
        const struct lk_scope_row *row = id ? bpf_map_lookup_elem(&lk_scope_rows, &id) : NULL;
        if (!row) continue;
        places.slots[i] = lk_slot_of(row, id);
        left = 1;
    }
    return left && lk_slots_pass(skb, &places);
}

/* 1: as one of the processes behind the link might send it. */
static __always_inline int lk_sets_pass(struct __sk_buff *skb, const struct lk_scope_link *link) {
    for (__u32 i = 0; i < LK_LINK_SETS; i++) {
        if (i >= link->n_sets) break;
        if (lk_set_passes(skb, link->sets[i])) return 1;
    }
    return 0;
}

/* By the link's policies; where there are several of them, by those of the frame's own socket first. */
static __always_inline int lk_link_passes(struct __sk_buff *skb, const struct lk_scope_link *link) {
    const int shared = link->flags & LK_LINK_SHARED;
    if (shared || link->n_sets > 1) {
        struct lk_places places = {};
        if (lk_whole_socket(skb)) lk_walk(skb, &places);
        if (places.slots[0] != LK_SCOPE_NONE) return lk_slots_pass(skb, &places);
    }
    return shared || lk_sets_pass(skb, link);
}

/* The link's row is that of the host's end; of its own where no such end is known. */
static __always_inline const struct lk_scope_link *lk_link_of(struct __sk_buff *skb, __u32 inside) {
    const struct sk_buff *packet = (const void *)skb;
    const struct net_device *device = BPF_CORE_READ(packet, dev);
    const struct net_device *peer = inside ? lk_peer(device) : NULL, *at = peer ? peer : device;
    const struct lk_scope_link_key key = {.netns_cookie = lk_cookie_of(BPF_CORE_READ(at, nd_net.net)),
                                          .ifindex = BPF_CORE_READ(at, ifindex),
                                          .inside = inside && !peer};
    return bpf_map_lookup_elem(&lk_scope_links, &key);
}

static __always_inline int lk_judge_frame(struct __sk_buff *skb, __u32 inside) {
    const struct lk_scope_link *link = lk_link_of(skb, inside);
    if (!link) return TC_ACT_SHOT;
    if (link->flags & LK_LINK_OPEN) return LK_NEXT;
    if (lk_frame_parse(skb) && (__u32)(skb->data_end - skb->data) < skb->len) {
        const __u32 want = skb->len < LK_MAX_HEADER_BYTES ? skb->len : LK_MAX_HEADER_BYTES;
        if (bpf_skb_pull_data(skb, want)) return TC_ACT_SHOT;
        lk_frame_parse(skb);
    }
    const struct lk_frame *frame = lk_frame_room();
    if (!frame) return TC_ACT_SHOT;
    lk_frame_look(skb, inside);
    if (!lk_link_passes(skb, link)) return TC_ACT_SHOT;
    return lk_strays(skb, &frame->pkt) ? TC_ACT_SHOT : LK_NEXT; /* whoever's: the container may rewrite */
}

SEC("tc")
int lk_scope_frames(struct __sk_buff *skb) {
    return lk_judge_frame(skb, 0);
}

SEC("tc")
int lk_scope_inside(struct __sk_buff *skb) {
    return lk_judge_frame(skb, 1);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
