/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* The address and port that a socket call names, of IPv4 and of IPv6 programs; what all hooks make of them.
 */
#ifndef LEAKBPF_BPF_SOCK_NAMES_H
#define LEAKBPF_BPF_SOCK_NAMES_H

#include <linux/bpf.h>

#include "base.h"

#define LK_CONNECTED 1 /* TCP_ESTABLISHED, of datagram sockets too */
#define LK_GO_ON     1 /* of a program; 0 refuses the call */

static __always_inline int lk_is_loopback(const struct lk_addr *addr) {
    if (lk_addr_mapped(addr)) return (addr->w[3] & LK_HTONL(0xff000000)) == LK_HTONL(0x7f000000);
    return lk_addr_is6(addr, 0, 0, 0, 1);
}

/* The resolver that serves a query to this server, or NULL. An IPv4 one serves both families. */
static __always_inline const struct lk_addr *lk_resolver_for(const struct lk_policy *policy,
                                                             const struct lk_addr *asked, __be16 *port) {
    if (!lk_addr_mapped(asked) && (policy->flags & LK_POLICY_RESOLVER6)) {
        *port = policy->resolver6_port;
        return &policy->resolver6;
    }
    if (policy->flags & LK_POLICY_RESOLVER4) {
        *port = policy->resolver4_port;
        return &policy->resolver4;
    }
    return NULL;
}

static __always_inline int lk_names4(const struct bpf_sock_addr *ctx, const struct lk_addr *addr,
                                     __be16 port) {
    return ctx->user_ip4 == addr->w[3] && ctx->user_port == port;
}

static __always_inline void lk_name4(struct bpf_sock_addr *ctx, const struct lk_addr *addr, __be16 port) {
    ctx->user_ip4 = addr->w[3];
    ctx->user_port = port;
}

static __always_inline int lk_names6(const struct bpf_sock_addr *ctx, const struct lk_addr *addr,
                                     __be16 port) {
    return ctx->user_ip6[0] == addr->w[0] && ctx->user_ip6[1] == addr->w[1] &&
           ctx->user_ip6[2] == addr->w[2] && ctx->user_ip6[3] == addr->w[3] && ctx->user_port == port;
}

static __always_inline void lk_name6(struct bpf_sock_addr *ctx, const struct lk_addr *addr, __be16 port) {
    ctx->user_ip6[0] = addr->w[0];
    ctx->user_ip6[1] = addr->w[1];
    ctx->user_ip6[2] = addr->w[2];
    ctx->user_ip6[3] = addr->w[3];
    ctx->user_port = port;
}

/* A resolver is shown as the server that was asked. asked: of a socket whose queries go elsewhere, or NULL.
 */
static __always_inline int lk_hide4(struct bpf_sock_addr *ctx, const struct lk_asked *asked) {
    if (asked && lk_names4(ctx, &asked->resolver, asked->resolver_port))
        lk_name4(ctx, &asked->addr, asked->port);
    return LK_GO_ON;
}

static __always_inline int lk_hide6(struct bpf_sock_addr *ctx, const struct lk_asked *asked) {
    if (asked && lk_names6(ctx, &asked->resolver, asked->resolver_port))
        lk_name6(ctx, &asked->addr, asked->port);
    return LK_GO_ON;
}

static __always_inline struct lk_addr lk_named4(const struct bpf_sock_addr *ctx) {
    return (struct lk_addr){.w = {0, 0, LK_HTONL(0xffff), ctx->user_ip4}};
}

static __always_inline struct lk_addr lk_named6(const struct bpf_sock_addr *ctx) {
    return (struct lk_addr){.w = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]}};
}

#endif
