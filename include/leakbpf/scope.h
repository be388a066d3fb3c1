/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * The contract between the programs of bpf/scope.bpf.c and userspace: policies of cgroups. They hold for all
 * network namespaces, so their maps are none of a namespace's, and have a version of their own.
 *
 * How a policy is found: a socket's cgroup and those above it are looked up in lk_scope_rows, once for each
 * generation; what was found is kept in the socket's storage. All policies that are found must pass.
 */
#ifndef LEAKBPF_SCOPE_H
#define LEAKBPF_SCOPE_H

#include "leakbpf/abi.h"

#define LK_SCOPE_ABI 2 /* raised whenever anything below or struct lk_policy changes */

#define LK_SCOPES       16384u /* records; the first is nobody's */
#define LK_SCOPE_ROWS   65536u /* of cgroups, those that are gone included */
#define LK_SCOPE_NEST   4u     /* policies over one socket */
#define LK_SCOPE_LEVELS 16u    /* a policy's cgroup is at level 1 to 15 of the hierarchy */

#define LK_SCOPE_NONE 0u          /* no further policy */
#define LK_SCOPE_DENY 0xffffffffu /* in place of a record: nothing passes but by loopback and tunnels */

/* lk_scope_word[0]. */
struct lk_scope_word {
    __u32 generation; /* moves with every change of a row: sockets then look again */
    __u32 next_id;    /* ids of policies and row sets, none is ever used twice */
    __u32 next_slot;  /* where a free record is looked for */
    __u32 unfinished; /* a change was begun: what it left behind is swept before the next */
    __u64 tidied;     /* cgroup at which the loader looks on for some that are gone */
    __u32 used;       /* records that are not free */
    __u32 pad;
};
LK_ASSERT_SIZE(struct lk_scope_word, 32);

/* Value of lk_scope_rows, by cgroup id. */
struct lk_scope_row {
    __u32 slot; /* index in lk_scopes, or LK_SCOPE_DENY */
    __u32 level;
};
LK_ASSERT_SIZE(struct lk_scope_row, 8);

/* A prefix of the LAN: an address is in it that equals addr in the bits of mask. */
struct lk_scope_prefix {
    struct lk_addr addr;
    struct lk_addr mask;
};
LK_ASSERT_SIZE(struct lk_scope_prefix, 32);

#define LK_SCOPE_PREFIXES 4u /* in the record itself, so that they cost what they cost with one policy */

struct lk_scope {
    __u64 cgroup_id; /* whose policy it is; 0: the record is free */
    __u32 id;        /* the set of all its rows */
    __u32 n_ids;     /* ids from it on that its rows have */
    struct lk_policy policy;
    __u64 refused_calls; /* connect and sendmsg; these three are counted by the kernel */
    __u64 refused_packets;
    __u64 queries;     /* sent to the resolver */
    __u64 text_digest; /* of what it was made from, for the loader */
    __s64 error;       /* of refused calls, a negative errno */
    __u64 vpn_netns;   /* cookie of the network namespace of the policy's VPN users; 0: any */
    __u32 n_lan;       /* of lan[]; more than LK_SCOPE_PREFIXES: all are rows of lk_scope_net */
    __u32 pad;
    struct lk_scope_prefix lan[LK_SCOPE_PREFIXES];
};
LK_ASSERT_SIZE(struct lk_scope, 456);

/*
 * A link to a network namespace: whose frames come by it. It goes by the host's end, or where that is not
 * known to the kernel's veth, by the container's own. A set names the cgroups with a policy over one of the
 * processes in that namespace, the outermost first; 0 behind the last. A policy that is gone is none of the
 * set's any more.
 */
#define LK_SCOPE_LINKS 65536u
#define LK_LINK_SETS   8u

struct lk_scope_link_key {
    __u64 netns_cookie; /* of the network namespace in which that end is */
    __u32 ifindex;
    __u32 inside; /* 1: the container's own end */
};
LK_ASSERT_SIZE(struct lk_scope_link_key, 16);

enum lk_link_flag {
    LK_LINK_SHARED = 1, /* with a process that no policy is over: what is of no socket passes */
    LK_LINK_OPEN = 2,   /* it is about to be let go of: everything passes */
};

struct lk_scope_link {
    __u32 flags; /* enum lk_link_flag */
    __u32 n_sets;
    __u64 sets[LK_LINK_SETS][LK_SCOPE_NEST];
};
LK_ASSERT_SIZE(struct lk_scope_link, 264);

/* Policies as people gave them: by cgroup and place in the text. */
struct lk_scope_page_key {
    __u64 cgroup_id;
    __u32 page;
    __u32 pad;
};
LK_ASSERT_SIZE(struct lk_scope_page_key, 16);

#define LK_SCOPE_PAGE_BYTES 496u
#define LK_SCOPE_PAGES      1048576u
struct lk_scope_page {
    __u32 total; /* bytes of the whole text */
    __u32 pad[3];
    char text[LK_SCOPE_PAGE_BYTES];
};
LK_ASSERT_SIZE(struct lk_scope_page, 512);

#endif
