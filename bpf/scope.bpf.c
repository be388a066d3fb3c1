// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/*
 * Policies of cgroups, at the top of the cgroup tree and whatever network namespace a socket is in. Egress is
 * what stops a leak: it sees every packet that a socket sends. connect and sendmsg say so to the program
 * before there is a packet, and send queries to the cgroup's resolver; recvmsg and getpeername hide that.
 * Loaded where there is BTF: a tunnel is known by what the kernel says of the device.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "scope_maps.h"

static __always_inline long lk_gate_load(void *packet, __u32 offset, void *to, __u32 bytes) {
    return bpf_skb_load_bytes(packet, offset, to, bytes);
}

#include "kernel_net.h"
#include "scope_around.h"
#include "scope_judge.h"
#include "scope_socket.h"
#include "sock_names.h"

#define LK_CGROUP_DROP      0
#define LK_CGROUP_PASS      1
#define LK_LOOPBACK_IFINDEX 1 /* of every network namespace, and of nothing else there */
#define LK_PROTO_MPTCP      262
#define LK_ECONNREFUSED     111
#define LK_MAX_ERRNO        4095
#define LK_CAN_SET_RETVAL   (6 << 16 | 1 << 8) /* Linux 6.1: bpf_set_retval in programs for socket calls */

extern int LINUX_KERNEL_VERSION __kconfig;

static __always_inline int lk_is_out_of_scope(const struct lk_places *places) {
    return places->slots[0] == LK_SCOPE_NONE;
}

SEC("cgroup/sock_create")
int lk_scope_create(struct bpf_sock *ctx) {
    const __u32 generation = lk_scope_generation();
    struct lk_member *member = bpf_sk_storage_get(&lk_members, ctx, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!member) return LK_GO_ON; /* then each packet looks for itself */
    struct lk_places places = {};
    lk_walk(NULL, &places);
    member->uid = (__u32)bpf_get_current_uid_gid();
    member->netns_cookie = bpf_get_netns_cookie(ctx);
    member->cgroup_id = bpf_get_current_cgroup_id();
    lk_places_keep(member, generation, &places);
    return LK_GO_ON;
}

/* ---- packets ------------------------------------------------------------------------------------ */

/*
 * Does the socket show the hierarchy's root because the kernel forgot its cgroup? Before Linux 5.15 net_cls
 * and net_prio of cgroup v1 take its place.
 */
static __always_inline int lk_is_forgotten(struct __sk_buff *skb, const struct lk_member *member,
                                           __u64 cgroup_id) {
    return member->cgroup_id != cgroup_id && bpf_skb_ancestor_cgroup_id(skb, 0) == cgroup_id;
}

/*
 * Fills in the policies over the packet's socket. Its own cgroup is asked, whatever the storage remembers.
 * NULL: nobody knows who made it.
 */
static __always_inline const struct lk_member *lk_packet_places(struct __sk_buff *skb,
                                                                struct lk_places *places) {
    const __u32 generation = lk_scope_generation();
    const __u64 cgroup_id = bpf_skb_cgroup_id(skb);
    struct bpf_sock *sk = lk_whole_socket(skb);
    struct lk_member *member = sk ? bpf_sk_storage_get(&lk_members, sk, 0, 0) : NULL;
    if (member && member->cgroup_id == cgroup_id) {
        if (lk_places_kept(member, generation, places)) return member;
        *places = (struct lk_places){};
        lk_walk(skb, places);
        lk_places_keep(member, generation, places);
        return member;
    }
    if (member && lk_is_forgotten(skb, member, cgroup_id)) {
        if (!lk_places_kept(member, generation, places)) places->slots[0] = LK_SCOPE_DENY;
        return member;
    }
    lk_walk(skb, places);
    if (!sk || member) return NULL;
    member = bpf_sk_storage_get(&lk_members, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!member) return NULL;
    member->cgroup_id = cgroup_id;
    lk_places_keep(member, generation, places);
    return NULL;
}

/* A raw socket may write the one version into packets that leave as the other. */
static __always_inline __u8 lk_family_of(const struct __sk_buff *skb) {
    if (skb->protocol == LK_HTONS(0x0800)) return 4;
    return skb->protocol == LK_HTONS(0x86dd) ? 6 : 0;
}

/* Its route leads by no router, on a device on which neighbours are looked for at all. */
static __always_inline int lk_is_on_link(const struct sk_buff *packet) {
    const struct net_device *device = BPF_CORE_READ(packet, dev);
    if (!device || (BPF_CORE_READ(device, flags) & (LK_IFF_NOARP | LK_IFF_POINTOPOINT))) return 0;
    return !lk_by_router(packet, LK_NFPROTO_IPV6);
}

/* Global, as its likes below: the verifier walks it once, however many policies there may be. */
__noinline int lk_packet_passes(struct __sk_buff *skb, __u32 slot, __u32 uid, __u64 netns) {
    struct lk_pkt pkt = {};
    lk_gate_read(skb, &pkt);
    if (pkt.family != lk_family_of(skb)) return 0;
    const __u32 direct = pkt.family == 6 && lk_is_on_link((const void *)skb);
    return lk_scope_passes(slot, &pkt, uid, netns, direct);
}

static __noinline int lk_leaves_by_tunnel(struct __sk_buff *skb) {
    const struct sk_buff *packet = (const void *)skb;
    const struct net_device *device = BPF_CORE_READ(packet, dev);
    return device && lk_is_tunnel(device);
}

SEC("cgroup_skb/egress")
int lk_scope_egress(struct __sk_buff *skb) {
    if (skb->ifindex == LK_LOOPBACK_IFINDEX) return LK_CGROUP_PASS;
    struct lk_places places = {};
    const struct lk_member *maker = lk_packet_places(skb, &places);
    if (lk_is_out_of_scope(&places)) return LK_CGROUP_PASS;
    const __u32 uid = maker ? maker->uid : 0;
    const __u64 netns = maker ? maker->netns_cookie : 0;

    for (int i = 0; i < (int)LK_SCOPE_NEST; i++) {
        const __u32 slot = places.slots[i];
        if (slot == LK_SCOPE_NONE) break;
        if (lk_packet_passes(skb, slot, uid, netns)) continue;
        if (lk_leaves_by_tunnel(skb)) return LK_CGROUP_PASS;
        struct lk_scope *scope = lk_scope_at(slot);
        if (scope) __sync_fetch_and_add(&scope->refused_packets, 1);
        return LK_CGROUP_DROP;
    }
    return LK_CGROUP_PASS;
}

/* ---- calls -------------------------------------------------------------------------------------- */

/* What a call names, and what it shall name instead. */
struct lk_call {
    struct lk_addr addr;
    __be16 port;
    __u8 proto;
    __u8 datagram; /* sendmsg: its family cannot change */
    __u8 six;      /* of an IPv6 program */
    __u8 pad;
};

static __always_inline __u8 lk_call_proto(const struct bpf_sock_addr *ctx) {
    return ctx->protocol == LK_PROTO_MPTCP ? LK_PROTO_TCP : ctx->protocol;
}

/* Those over the calling socket; 0: only its packets can tell. */
static __always_inline int lk_call_places(struct lk_member *member, struct lk_places *places) {
    const __u32 generation = lk_scope_generation();
    if (lk_places_kept(member, generation, places)) return 1;
    if (member->cgroup_id != bpf_get_current_cgroup_id()) return 0; /* moved, or handed on */
    *places = (struct lk_places){};
    lk_walk(NULL, places);
    lk_places_keep(member, generation, places);
    return 1;
}

static __always_inline struct lk_scope *lk_innermost(const struct lk_places *places) {
    struct lk_scope *inner = NULL;
    for (int i = 0; i < (int)LK_SCOPE_NEST; i++) {
        if (places->slots[i] == LK_SCOPE_NONE) break;
        inner = lk_scope_at(places->slots[i]);
    }
    return inner;
}

/* Row 6 of a call: to the resolver of the innermost policy. */
static __always_inline int lk_call_query(struct bpf_sock_addr *ctx, struct lk_call *call,
                                         struct lk_scope *scope, const struct lk_member *maker,
                                         int connected) {
    const struct lk_policy *policy = &scope->policy;
    const struct lk_addr asked = call->addr;
    __be16 port = 0;
    if (!lk_dns_host(&asked) || lk_is_vpn_user(scope, maker->uid, maker->netns_cookie)) return 0;
    const struct lk_addr *resolver = lk_resolver_for(policy, &asked, &port);
    if (!resolver || (lk_addr_equal(resolver, &asked) && port == call->port)) return 0;
    if (call->datagram && lk_addr_mapped(resolver) != lk_addr_mapped(&asked)) return 0;
    if (lk_covers(policy, &asked, call->proto, call->port)) return 0;
    if (!connected) {
        struct lk_asked *memory =
            bpf_sk_storage_get(&lk_scope_asked, ctx->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
        if (!memory) return 0;
        memory->addr = asked;
        memory->port = call->port;
        memory->resolver = *resolver;
        memory->resolver_port = port;
        memory->rewritten = 1;
    }
    call->addr = *resolver;
    call->port = port;
    if (call->six)
        lk_name6(ctx, resolver, port);
    else
        lk_name4(ctx, resolver, port);
    __sync_fetch_and_add(&scope->queries, 1);
    return 1;
}

static __always_inline int lk_call_passes(const struct bpf_sock_addr *ctx, const struct lk_addr *to,
                                          __u8 family, __u32 slot, __u32 uid, __u64 netns) {
    struct lk_pkt pkt = {.shape = LK_SHAPE_IP, .family = family, .dport = ctx->user_port, .hop_limit = 64};
    pkt.dst = *to;
    pkt.proto = lk_call_proto(ctx);
    const struct bpf_sock *sk = ctx->sk;
    if (sk) pkt.sport = LK_HTONS(sk->src_port);
    return lk_scope_passes(slot, &pkt, uid, netns, 0);
}

__noinline int lk_call4_passes(struct bpf_sock_addr *ctx, __u32 slot, __u32 uid, __u64 netns) {
    const struct lk_addr to = lk_named4(ctx);
    return lk_call_passes(ctx, &to, 4, slot, uid, netns);
}

/* A socket of IPv6 that names an IPv4 address sends IPv4. */
__noinline int lk_call6_passes(struct bpf_sock_addr *ctx, __u32 slot, __u32 uid, __u64 netns) {
    const struct lk_addr to = lk_named6(ctx);
    return lk_call_passes(ctx, &to, lk_addr_mapped(&to) ? 4 : 6, slot, uid, netns);
}

static __always_inline int lk_around_call(struct bpf_sock_addr *ctx, const struct lk_addr *addr) {
    return lk_look_around(ctx, addr->w[0], addr->w[1], addr->w[2], addr->w[3]);
}

/*
 * The verifier of Linux 7 wants to see -4095 to 0 in the whole register: a parameter of 64 bits, and two
 * comparisons that the compiler must not make one of.
 */
static __always_inline void lk_tell_error(__s64 error) {
    static long (*const set_retval)(__s64) = (void *)BPF_FUNC_set_retval;
    if (error < -LK_MAX_ERRNO) error = -LK_ECONNREFUSED;
    asm volatile("" : "+r"(error));
    if (error >= 0) error = -LK_ECONNREFUSED;
    if (LINUX_KERNEL_VERSION >= LK_CAN_SET_RETVAL) set_retval(error);
}

static __always_inline int lk_call_refused(struct bpf_sock_addr *ctx, const struct lk_call *call,
                                           __u32 slot) {
    if (lk_around_call(ctx, &call->addr)) return LK_GO_ON;
    struct lk_scope *scope = lk_scope_at(slot);
    if (scope) __sync_fetch_and_add(&scope->refused_calls, 1);
    lk_tell_error(scope ? scope->error : 0);
    return 0;
}

/* LK_GO_ON, or 0: refused. What is not sure to be refused as a packet goes on. */
static __always_inline int lk_call(struct bpf_sock_addr *ctx, struct lk_call *call) {
    struct bpf_sock *sk = ctx->sk;
    if (!sk) return LK_GO_ON;
    struct lk_member *member = bpf_sk_storage_get(&lk_members, sk, 0, 0);
    if (!member) return LK_GO_ON;
    struct lk_asked *memory = bpf_sk_storage_get(&lk_scope_asked, sk, 0, 0);
    if (memory && !call->datagram) memory->rewritten = 0; /* it connects anew */
    struct lk_places places = {};
    if (!lk_call_places(member, &places) || lk_is_out_of_scope(&places)) return LK_GO_ON;
    if (lk_is_loopback(&call->addr) || lk_addr_unspecified(&call->addr)) return LK_GO_ON;
    call->proto = lk_call_proto(ctx);
    if (!lk_is_transport(call->proto)) return LK_GO_ON;

    const __u32 uid = member->uid;
    const __u64 netns = member->netns_cookie;
    if (call->port == LK_HTONS(53)) {
        struct lk_scope *inner = lk_innermost(&places);
        const int connected = call->datagram && sk->state == LK_CONNECTED && memory && memory->rewritten;
        if (inner && lk_around_call(ctx, &call->addr) != LK_AROUND_OWN)
            lk_call_query(ctx, call, inner, member, connected);
    }
    for (int i = 0; i < (int)LK_SCOPE_NEST; i++) {
        const __u32 slot = places.slots[i];
        if (slot == LK_SCOPE_NONE) break;
        if (call->six ? lk_call6_passes(ctx, slot, uid, netns) : lk_call4_passes(ctx, slot, uid, netns))
            continue;
        return lk_call_refused(ctx, call, slot);
    }
    return LK_GO_ON;
}

static __always_inline int lk_call4(struct bpf_sock_addr *ctx, __u8 datagram) {
    struct lk_call call = {.addr = lk_named4(ctx), .port = ctx->user_port, .datagram = datagram};
    return lk_call(ctx, &call);
}

static __always_inline int lk_call6(struct bpf_sock_addr *ctx, __u8 datagram) {
    struct lk_call call = {.addr = lk_named6(ctx), .port = ctx->user_port, .datagram = datagram, .six = 1};
    return lk_call(ctx, &call);
}

SEC("cgroup/connect4")
int lk_scope_conn4(struct bpf_sock_addr *ctx) {
    return lk_call4(ctx, 0);
}

SEC("cgroup/connect6")
int lk_scope_conn6(struct bpf_sock_addr *ctx) {
    return lk_call6(ctx, 0);
}

SEC("cgroup/sendmsg4")
int lk_scope_send4(struct bpf_sock_addr *ctx) {
    return lk_call4(ctx, 1);
}

SEC("cgroup/sendmsg6")
int lk_scope_send6(struct bpf_sock_addr *ctx) {
    return lk_call6(ctx, 1);
}

static __always_inline const struct lk_asked *lk_scope_asked_of(struct bpf_sock_addr *ctx) {
    if (!ctx->sk) return NULL;
    const struct lk_asked *memory = bpf_sk_storage_get(&lk_scope_asked, ctx->sk, 0, 0);
    return memory && memory->rewritten ? memory : NULL;
}

SEC("cgroup/recvmsg4")
int lk_scope_recv4(struct bpf_sock_addr *ctx) {
    return lk_hide4(ctx, lk_scope_asked_of(ctx));
}

SEC("cgroup/recvmsg6")
int lk_scope_recv6(struct bpf_sock_addr *ctx) {
    return lk_hide6(ctx, lk_scope_asked_of(ctx));
}

SEC("cgroup/getpeername4")
int lk_scope_peer4(struct bpf_sock_addr *ctx) {
    return lk_hide4(ctx, lk_scope_asked_of(ctx));
}

SEC("cgroup/getpeername6")
int lk_scope_peer6(struct bpf_sock_addr *ctx) {
    return lk_hide6(ctx, lk_scope_asked_of(ctx));
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
