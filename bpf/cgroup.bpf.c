// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/*
 * Socket hooks, at the top of the cgroup tree: who made a socket (sock_create), DNS before the route is
 * chosen (connect; sendmsg, recvmsg and getpeername hide it), and the guard against sockets that pass below
 * TC (setsockopt).
 *
 * All act for sockets of the protected network namespace only. None of them is what stops a leak but the
 * guard: what they leave alone is judged at the uplink.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "lookup.h"

#include "gateway.h"

#include "dns.h"
#include "identity.h"
#include "portal.h"
#include "sock_names.h"
#include "tell.h"

#define LK_AF_INET6            10
#define LK_SOL_PACKET          263
#define LK_PACKET_QDISC_BYPASS 20
#define LK_SOL_XDP             283

#define LK_EPERM 0 /* of a setsockopt program */

SEC("cgroup/sock_create")
int lk_sock_create(struct bpf_sock *ctx) {
    const struct lk_host *host = lk_find_host();
    __u64 cookie = bpf_get_netns_cookie(ctx);
    if (!host || host->netns_cookie != cookie) return LK_GO_ON;
    struct lk_mark *mark = bpf_sk_storage_get(&lk_marks, ctx, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!mark) return LK_GO_ON; /* no mark: no identity, the stricter of both */
    mark->netns_cookie = cookie;
    mark->uid = (__u32)bpf_get_current_uid_gid();
    mark->pid = bpf_get_current_pid_tgid() >> 32;
    bpf_get_current_comm(mark->comm, sizeof(mark->comm));
    return LK_GO_ON;
}

static __always_inline int lk_connecting_daemon(const struct lk_policy *policy, const struct lk_mark *mark) {
    if (!(policy->flags & LK_POLICY_IDENTITY)) return 0;
    if (lk_uid_is_daemon(policy, mark->uid)) return 1;
    for (__u32 i = 0; i < LK_MAX_CGROUPS; i++) {
        if (i >= policy->n_cgroups) break;
        if (bpf_get_current_ancestor_cgroup_id(policy->cgroups[i].level) == policy->cgroups[i].id) return 1;
    }
    return 0;
}

/* Does a gateway entry name TCP or UDP port 53 of this address? */
static __always_inline int lk_is_dns_gateway(const struct lk_policy *policy, const struct lk_addr *addr,
                                             __u8 proto) {
    return lk_covers(policy, addr, proto, LK_HTONS(53));
}

/* way: by which queries to it would go, or NULL. */
static __always_inline int lk_is_kept(const struct lk_host *host, const struct lk_addr *addr,
                                      const struct lk_way *way) {
    struct lk_set_net key = {.prefix_bits = LK_SET_BITS + 128, .set = host->net_set, .addr = *addr};
    const __u32 *flags = lk_lookup_net(&key);
    if (!flags) return 0;
    if (*flags & (LK_NET_OWN | LK_NET_INSIDE)) return 1;
    return !way && (*flags & LK_NET_ROUTER) && lk_portal_open(&host->policy, lk_boot_ns());
}

/* Row B may let a query to it out as it is, which only its packet tells. */
static __always_inline int lk_is_boot_server(const struct lk_policy *policy, const struct lk_addr *addr) {
    if (!(policy->flags & (lk_addr_mapped(addr) ? LK_POLICY_BOOTSTRAP4 : LK_POLICY_BOOTSTRAP6))) return 0;
    struct lk_boot key = {.set = policy->gw_set, .server = *addr};
    return lk_lookup_boot(&key) != NULL;
}

static __noinline int lk_report_rewrite(struct bpf_sock_addr *ctx, enum lk_hook hook,
                                        const struct lk_addr *asked) {
    lk_tally(hook, LK_DNS, 1, 0);
    struct lk_event *event = lk_event_begin();
    if (!event) return 0;
    event->dst = *asked;
    event->dport = LK_HTONS(53);
    event->proto = ctx->protocol;
    event->hook = hook;
    event->verdict = LK_REWRITE;
    event->reason = LK_DNS;
    event->flags = LK_EVENT_UID;
    event->uid = (__u32)bpf_get_current_uid_gid();
    event->pid = bpf_get_current_pid_tgid() >> 32;
    event->cgroup_id = bpf_get_current_cgroup_id();
    bpf_get_current_comm(event->comm, sizeof(event->comm));
    bpf_ringbuf_submit(event, 0);
    return 0;
}

/* A socket that chose nothing but whom it asks. What the others chose need not go with the tunnel, and two of
 * one port that ask two servers would be one to the resolver. */
static __always_inline int lk_is_plain(const struct bpf_sock *sk) {
    if (sk->src_port || sk->src_ip4) return 0;
    return sk->family != LK_AF_INET6 || !(sk->src_ip6[0] | sk->src_ip6[1] | sk->src_ip6[2] | sk->src_ip6[3]);
}

/*
 * Whether a socket may be connected to the way's resolver, so that all that it sends takes the tunnel; the
 * others are served packet by packet. again: it was before, and its address and port are of that.
 */
static __always_inline int lk_may_go_itself(const struct lk_way *way, const struct bpf_sock *sk,
                                            const struct lk_addr *asked, int again) {
    if (!way->routed || way->port != LK_HTONS(53) || lk_addr_link_local6(asked)) return 0;
    if (lk_addr_mapped(&way->resolver) != lk_addr_mapped(asked) || sk->bound_dev_if) return 0;
    return again || lk_is_plain(sk);
}

/*
 * Row 6 for a connecting socket. asked: where it wants to go. Fills in where it shall go, and remembers what
 * was asked for getpeername; 0: it is left alone.
 */
static __always_inline int lk_rewrite_dns(struct bpf_sock_addr *ctx, enum lk_hook hook,
                                          const struct lk_addr *asked, struct lk_addr *to, __be16 *to_port) {
    const struct lk_host *host = lk_find_host();
    if (!host || host->netns_cookie != bpf_get_netns_cookie(ctx)) return 0;
    struct bpf_sock *sk = ctx->sk;
    if (!sk) return 0;
    struct lk_mark *mark = bpf_sk_storage_get(&lk_marks, sk, 0, 0);
    if (!mark) return 0; /* older than we are, and nobody's: its packets are judged */
    struct lk_asked *memory = &mark->asked;
    const int again = memory->rewritten && sk->state == LK_CONNECTED;
    memory->rewritten = 0; /* a socket that connects anew */

    if (ctx->user_port != LK_HTONS(53)) return 0;
    if (ctx->protocol != LK_PROTO_TCP && ctx->protocol != LK_PROTO_UDP) return 0;
    const struct lk_policy *policy = &host->policy;
    const __u32 here = policy->flags & (LK_POLICY_ACTIVE | LK_POLICY_BY_PACKET);
    if (here != LK_POLICY_ACTIVE || lk_is_loopback(asked) || !lk_dns_host(asked)) return 0;
    const struct lk_way *way = lk_way_for(policy, lk_addr_mapped(asked) ? 4 : 6);
    if (way && !lk_may_go_itself(way, sk, asked, again)) return 0;
    if (ctx->protocol == LK_PROTO_UDP && lk_is_boot_server(policy, asked)) return 0;
    const struct lk_addr *resolver = lk_resolver_for(policy, asked, to_port);
    if (!resolver || (lk_addr_equal(resolver, asked) && *to_port == LK_HTONS(53))) return 0;
    if (lk_is_kept(host, asked, way) || lk_is_dns_gateway(policy, asked, ctx->protocol)) return 0;
    if (lk_connecting_daemon(policy, mark)) return 0;

    memory->addr = *asked;
    memory->port = LK_HTONS(53);
    memory->resolver = *resolver;
    memory->resolver_port = *to_port;
    memory->rewritten = 1;
    *to = *resolver;
    lk_report_rewrite(ctx, hook, asked);
    return 1;
}

SEC("cgroup/connect4")
int lk_connect4(struct bpf_sock_addr *ctx) {
    struct lk_addr asked = lk_named4(ctx);
    struct lk_addr to = {};
    __be16 port = 0;
    if (lk_rewrite_dns(ctx, LK_HOOK_CONNECT4, &asked, &to, &port)) lk_name4(ctx, &to, port);
    return LK_GO_ON;
}

SEC("cgroup/connect6")
int lk_connect6(struct bpf_sock_addr *ctx) {
    struct lk_addr asked = lk_named6(ctx);
    struct lk_addr to = {};
    __be16 port = 0;
    if (lk_rewrite_dns(ctx, LK_HOOK_CONNECT6, &asked, &to, &port)) lk_name6(ctx, &to, port);
    return LK_GO_ON;
}

static __always_inline const struct lk_asked *lk_asked_of(struct bpf_sock_addr *ctx) {
    if (!ctx->sk) return NULL;
    const struct lk_mark *mark = bpf_sk_storage_get(&lk_marks, ctx->sk, 0, 0);
    return mark && mark->asked.rewritten ? &mark->asked : NULL;
}

/* The same of a datagram socket, while it is connected: what it was connected to before is of no account. */
static __always_inline const struct lk_asked *lk_asked_while_connected(struct bpf_sock_addr *ctx) {
    struct bpf_sock *sk = ctx->sk;
    return sk && sk->state == LK_CONNECTED ? lk_asked_of(ctx) : NULL;
}

SEC("cgroup/recvmsg4")
int lk_recvmsg4(struct bpf_sock_addr *ctx) {
    return lk_hide4(ctx, lk_asked_while_connected(ctx));
}

SEC("cgroup/recvmsg6")
int lk_recvmsg6(struct bpf_sock_addr *ctx) {
    return lk_hide6(ctx, lk_asked_while_connected(ctx));
}

/*
 * A connected socket that names its server once more: its answer must come from whom the socket is connected
 * to. Only on port 53, where packets are judged as queries whoever the resolver is by now; a datagram cannot
 * change its family.
 */
static __always_inline const struct lk_asked *lk_named_again(struct bpf_sock_addr *ctx) {
    const struct lk_asked *asked = lk_asked_while_connected(ctx);
    if (!asked || asked->resolver_port != LK_HTONS(53)) return NULL;
    return lk_addr_mapped(&asked->addr) == lk_addr_mapped(&asked->resolver) ? asked : NULL;
}

SEC("cgroup/sendmsg4")
int lk_sendmsg4(struct bpf_sock_addr *ctx) {
    const struct lk_asked *asked = lk_named_again(ctx);
    if (asked && lk_addr_mapped(&asked->addr) && lk_names4(ctx, &asked->addr, asked->port))
        lk_name4(ctx, &asked->resolver, asked->resolver_port);
    return LK_GO_ON;
}

SEC("cgroup/sendmsg6")
int lk_sendmsg6(struct bpf_sock_addr *ctx) {
    const struct lk_asked *asked = lk_named_again(ctx);
    if (asked && lk_names6(ctx, &asked->addr, asked->port))
        lk_name6(ctx, &asked->resolver, asked->resolver_port);
    return LK_GO_ON;
}

SEC("cgroup/getpeername4")
int lk_getpeername4(struct bpf_sock_addr *ctx) {
    return lk_hide4(ctx, lk_asked_of(ctx));
}

SEC("cgroup/getpeername6")
int lk_getpeername6(struct bpf_sock_addr *ctx) {
    return lk_hide6(ctx, lk_asked_of(ctx));
}

extern int LINUX_KERNEL_VERSION __kconfig;
#define LK_SOCKOPT_KNOWS_NETNS   (5 << 16 | 15 << 8)
#define LK_SOCKOPT_KNOWS_PROCESS (6 << 16 | 1 << 8)

/*
 * A socket of the protected network namespace. Before 5.15 a setsockopt program cannot ask for that: the
 * guard then holds for all namespaces, because it is the only hook that sees these sockets at all.
 */
static __always_inline int lk_is_guarded(struct bpf_sockopt *ctx) {
    const struct lk_host *host = lk_find_host();
    if (!host) return 0;
    if (LINUX_KERNEL_VERSION < LK_SOCKOPT_KNOWS_NETNS) return 1;
    return host->netns_cookie == bpf_get_netns_cookie(ctx);
}

/* Packets of these sockets would leave below TC. */
static __always_inline int lk_bypasses_tc(const struct bpf_sockopt *ctx) {
    if (ctx->level == LK_SOL_XDP) return 1;
    if (ctx->level != LK_SOL_PACKET || ctx->optname != LK_PACKET_QDISC_BYPASS) return 0;
    const __u8 *value = ctx->optval;
    const __u8 *end = ctx->optval_end;
    if (value + 4 > end) return 1; /* too short: the kernel says EINVAL anyway */
    return lk_load32(value) != 0;
}

SEC("cgroup/setsockopt")
int lk_setsockopt(struct bpf_sockopt *ctx) {
    int bypasses = lk_bypasses_tc(ctx);
    /* Longer values than a page are not shown to us; the kernel takes the caller's own if we say so. */
    if (ctx->optlen > 4096) ctx->optlen = 0;
    if (!bypasses || !lk_is_guarded(ctx)) return LK_GO_ON;

    lk_tally(LK_HOOK_SETSOCKOPT, LK_BYPASS, 1, 0);
    struct lk_event *event = lk_event_begin();
    if (event) {
        event->hook = LK_HOOK_SETSOCKOPT;
        event->verdict = LK_REFUSE;
        event->reason = LK_BYPASS;
        event->flags = LK_EVENT_UID;
        event->uid = (__u32)bpf_get_current_uid_gid();
        event->cgroup_id = bpf_get_current_cgroup_id();
        if (LINUX_KERNEL_VERSION >= LK_SOCKOPT_KNOWS_PROCESS) {
            event->pid = bpf_get_current_pid_tgid() >> 32;
            bpf_get_current_comm(event->comm, sizeof(event->comm));
        }
        bpf_ringbuf_submit(event, 0);
    }
    return LK_EPERM;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
