/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * The one contract between the kernel side and userspace: every value that crosses the border is
 * declared here once, in C that C++ reads too, with explicit padding and asserted sizes.
 *
 * Zero is the safe value of every enum and flag: an all-zero record denies.
 * Addresses are 16 bytes in network byte order; IPv4 is written as ::ffff:a.b.c.d (RFC 4291 2.5.5.2).
 * An IPv6 packet that carries such an address on the wire is malformed, so the two never meet.
 *
 * How a policy is found: the word holds the epoch; the device record of that epoch (tagged with it)
 * names row sets; rows are keyed by {set, address}. A set id is never reused while rows of it exist,
 * so a record that is older or newer than its rows finds nothing, and nothing found means deny.
 */
#ifndef LEAKBPF_ABI_H
#define LEAKBPF_ABI_H

#include <linux/types.h>

#ifdef __cplusplus
#define LK_ASSERT_SIZE(type, bytes) static_assert(sizeof(type) == (bytes), "ABI: size of " #type)
#else
#define LK_ASSERT_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), "ABI: size of " #type)
#endif

/* Raised whenever anything below changes; part of the pin directory's name. */
#define LK_ABI_VERSION 9

enum lk_verdict {
    LK_DROP = 0,   /* silence */
    LK_REFUSE = 1, /* the sender is told at once where a protocol for that exists */
    LK_PASS = 2,
    LK_REWRITE = 3, /* DNS, to the resolver */
    LK_VERDICTS
};

/* Why a verdict was given: docs/policy.md names each row that gives it. */
enum lk_reason {
    LK_NO_POLICY = 0,        /* row 0 */
    LK_ETHERTYPE = 1,        /* row 1 */
    LK_MALFORMED = 2,        /* row 2 */
    LK_SOURCE = 3,           /* row 3 */
    LK_FRAGMENT = 4,         /* row F */
    LK_DNS = 5,              /* rows 6 and 7, and the connect hooks */
    LK_NOT_ALLOWED = 6,      /* row 12 */
    LK_BYPASS = 7,           /* setsockopt guard */
    LK_ARP = 8,              /* row 1 */
    LK_LINK = 9,             /* rows 1 and 8 */
    LK_VPN_DAEMON = 10,      /* row 4 */
    LK_GATEWAY = 11,         /* row 5 */
    LK_SERVED = 12,          /* row 9 */
    LK_LAN = 13,             /* row 10 */
    LK_MULTICAST = 14,       /* row 11 */
    LK_OUT_OF_SCOPE = 15,    /* a socket or device that no policy is for */
    LK_DNS_NO_RESOLVER = 16, /* row 6: no resolver is named that serves the query's family */
    LK_DNS_NO_TUNNEL = 17,   /* row 6: no tunnel leads to it */
    LK_DNS_FORM = 18,        /* row 6: a query that cannot be translated */
    LK_DNS_PORTS = 19,       /* row 6: no port is left for this asker */
    LK_DNS_FLOW = 20,        /* row 6: a TCP segment of no connection that is carried */
    LK_DNS_SIZE = 21,        /* row 6: larger than the tunnel takes */
    LK_BOOTSTRAP_DNS = 22,   /* row B */
    LK_PORTAL = 23,          /* row P */
    LK_REASONS
};

enum lk_hook {
    LK_HOOK_UPLINK = 0,
    LK_HOOK_CONNECT4 = 1,
    LK_HOOK_CONNECT6 = 2,
    LK_HOOK_SETSOCKOPT = 3,
    LK_HOOK_LSM = 4,    /* locked sockets and links */
    LK_HOOK_TUNNEL = 5, /* what an application sends into the tunnel to port 53 */
    LK_HOOK_GATE = 6,   /* the second gate */
    LK_HOOKS
};

struct lk_addr {
    __be32 w[4];
};
LK_ASSERT_SIZE(struct lk_addr, 16);

/* ---- the policy as the kernel reads it -------------------------------------------------- */

enum lk_policy_flag {
    LK_POLICY_ACTIVE = 1u << 0, /* absent: everything is denied as no-policy */
    LK_POLICY_STRICT = 1u << 1,
    LK_POLICY_NO_LAN = 1u << 2,
    LK_POLICY_LAN_NAMES = 1u << 3,
    LK_POLICY_NO_MULTICAST = 1u << 4,
    LK_POLICY_SILENT = 1u << 5,   /* --action drop */
    LK_POLICY_GW_HOSTS = 1u << 6, /* gw_set has rows in lk_gw */
    LK_POLICY_GW_NETS = 1u << 7,  /* gw_set has rows in lk_gw_net */
    LK_POLICY_IDENTITY = 1u << 8, /* uids or cgroups are given: look the sender up */
    LK_POLICY_RESOLVER4 = 1u << 9,
    LK_POLICY_RESOLVER6 = 1u << 10,
    LK_POLICY_FWMARK = 1u << 11,       /* fwmark and fwmark_mask hold (strict, row 5) */
    LK_POLICY_LOCK_SOCKETS = 1u << 12, /* AF_PACKET and AF_XDP are for those in lk_makers only */
    /* gw_set has rows in lk_boots for servers of that family, and no tunnel leads to a resolver. */
    LK_POLICY_BOOTSTRAP4 = 1u << 13,
    LK_POLICY_BOOTSTRAP6 = 1u << 14,
    LK_POLICY_GATE = 1u << 15, /* of lk_host: the second gate judges devices that are not in lk_spared */
    /* Of lk_host, with several scopes: which uplink a socket will use, and so whose resolver, is not known
     * when it connects. All queries are left to what judges packets. */
    LK_POLICY_BY_PACKET = 1u << 16,
    LK_POLICY_SERVE = 1u << 17, /* gw_set has rows in lk_serves */
};

#define LK_MAX_UIDS    8
#define LK_MAX_CGROUPS 4

struct lk_cgroup {
    __u64 id;    /* cgroup2 id (kernfs inode) */
    __u32 level; /* distance from the host's cgroup2 root, 1 or more */
    __u32 pad;
};

/* How queries reach a resolver: packet by packet, by a tunnel, from the tunnel's own address. */
struct lk_way {
    struct lk_addr resolver;
    struct lk_addr source;
    __u32 ifindex; /* of the tunnel; 0: none leads there, and queries are refused */
    __be16 port;
    __u16 mtu;       /* bytes of the tunnel's IP packets, at most 65535 */
    __u16 neighbour; /* the tunnel is an Ethernet: the kernel finds the next hop's address */
    __u16 routed;    /* what goes to the resolver takes this tunnel by itself */
};
LK_ASSERT_SIZE(struct lk_way, 44);

struct lk_policy {
    __u32 flags;  /* enum lk_policy_flag */
    __u32 gw_set; /* rows of lk_gw and lk_gw_net */
    __u32 fwmark;
    __u32 fwmark_mask;
    __u32 n_uids;
    __u32 n_cgroups;
    __u32 uids[LK_MAX_UIDS]; /* initial user namespace; never 0 or 65534 */
    struct lk_cgroup cgroups[LK_MAX_CGROUPS];
    struct lk_addr resolver4; /* first IPv4 resolver, v4-mapped */
    struct lk_addr resolver6;
    __be16 resolver4_port;
    __be16 resolver6_port;
    __u8 gw_table; /* the table in lk_gw that holds gw_set */
    __u8 gw_bits;  /* of it: LK_GW_MIN_BITS to LK_GW_MAX_BITS */
    __u16 pad;
    struct lk_way way4; /* to an IPv4 resolver */
    struct lk_way way6;
    __u64 portal_until_ns; /* CLOCK_BOOTTIME; what is not in the next LK_PORTAL_MOST_NS is closed */
};
LK_ASSERT_SIZE(struct lk_policy, 256);
#define LK_PORTAL_MOST_NS 1800000000000ull

enum lk_dev_flag {
    LK_DEV_L3 = 1u << 0,          /* packets begin with the IP header */
    LK_DEV_BOND_PORT = 1u << 1,   /* LACP passes */
    LK_DEV_BRIDGE_PORT = 1u << 2, /* BPDUs pass */
    LK_DEV_PPPOE = 1u << 3,       /* --pppoe, and the ppp device on top is guarded */
    LK_DEV_NETS = 1u << 4,        /* net_set has rows in lk_net */
    LK_DEV_MORE_OWN = 1u << 5,    /* own addresses beyond own[]: rows LK_NET_OWN in lk_net */
};

#define LK_MAX_OWN    8
#define LK_DEV_SLOTS  1024u /* devices of one epoch; a power of two */
#define LK_DEV_PROBES 4u    /* a device sits at (ifindex + 0..3) % LK_DEV_SLOTS of its epoch's half */

/* One uplink under one epoch. Index in lk_dev: (epoch % 2) * LK_DEV_SLOTS + slot. */
struct lk_dev {
    __u32 epoch; /* must equal the word's, or the record is not in force */
    __u32 ifindex;
    __u32 flags;   /* enum lk_dev_flag */
    __u32 net_set; /* rows of lk_net */
    __u32 n_own;
    __u32 zero; /* always 0, which only the loader knows: see lk_opaque() in bpf/classify.h */
    struct lk_addr own[LK_MAX_OWN]; /* IPv4 first */
    struct lk_policy policy;
};
LK_ASSERT_SIZE(struct lk_dev, 408);

/* What the socket hooks go by, under one epoch. Index in lk_host: epoch % 2. */
struct lk_host {
    __u32 epoch;
    __u32 net_set;           /* rows of lk_net with LK_NET_OWN and LK_NET_INSIDE */
    __u64 netns_cookie;      /* sockets of any other network namespace are left alone */
    struct lk_policy policy; /* of the scope that takes in new uplinks */
};
LK_ASSERT_SIZE(struct lk_host, 272);

/* lk_word[0], written by one aligned 4-byte store of epoch: the moment a policy takes force. */
struct lk_word {
    __u32 epoch; /* 0: no policy */
    __u32 abi;   /* LK_ABI_VERSION */
};
LK_ASSERT_SIZE(struct lk_word, 8);

/* ---- rows --------------------------------------------------------------------------------- */

struct lk_set_addr {
    __u32 set;
    struct lk_addr addr;
};
LK_ASSERT_SIZE(struct lk_set_addr, 20);

#define LK_SET_BITS 32u /* prefix bits that the set id takes before the address's 0..128 */

struct lk_set_net {    /* key of lk_gw_net and lk_net */
    __u32 prefix_bits; /* LK_SET_BITS + address prefix (IPv4: 96 + its length) */
    __u32 set;         /* compared as bytes: any injective encoding does */
    struct lk_addr addr;
};
LK_ASSERT_SIZE(struct lk_set_net, 24);

struct lk_endpoint {
    __be16 port; /* 0 where the protocol has none */
    __u8 proto;  /* IPPROTO_TCP, _UDP, _ESP */
    __u8 exact;  /* the entry named its protocol: serves --vpn-mark under --strict */
};

#define LK_GW_ENDPOINTS 5

/*
 * What an address may be talked to as a gateway. Each row already holds all that wider prefixes
 * give to it, so the longest match is the whole answer. An endpoint beyond the inline ones is a
 * row {port_set, proto, port} of lk_gw_port.
 */
struct lk_gw {
    __u8 any; /* every protocol and port, TCP and UDP port 53 aside */
    __u8 n_endpoints;
    __u16 pad;
    __u32 port_set; /* 0: no further endpoints */
    struct lk_endpoint endpoints[LK_GW_ENDPOINTS];
};
LK_ASSERT_SIZE(struct lk_gw, 28);

/*
 * Gateways with a full-length prefix are in a table that userspace lays out and that never changes while a
 * record names it: an array, because its lookup costs a third of a hash's and its rows lie side by side. A
 * row sits at its home place or at most LK_GW_PROBES - 1 behind it, with no free place in between; a free
 * place is all zero. lk_gw holds two tables, so that a new one stands beside the one in force.
 */
struct lk_gw_row {
    struct lk_set_addr key;
    struct lk_gw gw;
};
LK_ASSERT_SIZE(struct lk_gw_row, 48);

#define LK_GW_TABLES   2u
#define LK_GW_PROBES   8u
#define LK_GW_MIN_BITS 1u
#define LK_GW_MAX_BITS 22u

/* Places of a table with this many bits of home: those behind the last home take what has no room there. */
#define LK_GW_PLACES(bits) ((1u << (bits)) + LK_GW_PROBES - 1)

/* The home place of a row, by multiplicative hashing: the top bits of each product depend on all below. */
static inline __attribute__((always_inline)) __u32 lk_gw_home(__u32 set, const struct lk_addr *addr,
                                                              __u32 bits) {
    __u64 hash = ((__u64)addr->w[0] << 32 | addr->w[1]) * 0x9e3779b97f4a7c15ull;
    hash ^= hash >> 32;
    hash = (hash + ((__u64)addr->w[2] << 32 | addr->w[3])) * 0xc2b2ae3d27d4eb4full;
    hash ^= hash >> 29;
    hash = (hash + set) * 0x9e3779b97f4a7c15ull;
    return (__u32)(hash >> ((64 - bits) & 63));
}

struct lk_set_port { /* key of lk_gw_port; value: __u32, 1 + endpoint.exact */
    __u32 set;
    __be16 port;
    __u8 proto;
    __u8 pad;
};
LK_ASSERT_SIZE(struct lk_set_port, 8);

/*
 * Key of lk_boots: a name that may be asked of a server in the clear while no tunnel leads to a resolver. The
 * set is the policy's gw_set. name: as in a message, in lower case, padded with zeros. The root, whose name
 * is all zeros, can be asked by nobody: that row says that there are names of this server.
 */
#define LK_BOOT_NAME 127 /* bytes at most, the 0 at its end included */
struct lk_boot {
    __u32 set;
    struct lk_addr server;
    __u8 name[LK_BOOT_NAME + 1];
};
LK_ASSERT_SIZE(struct lk_boot, 148);

enum lk_boot_row { LK_BOOT_SERVER = 1, LK_BOOT_NAMED = 2 }; /* its value, __u32 */

/* Key of lk_serves, value __u32 1: who may ask a service (--serve). The set is the policy's gw_set. */
struct lk_serve_net {
    __u32 prefix_bits; /* LK_SERVE_BITS + address prefix (IPv4: 96 + its length) */
    __u32 set;
    __be16 port; /* as it stands on the wire here */
    __u8 proto;
    __u8 family; /* 4, 6: the rest of ::/0 is not for IPv4 */
    struct lk_addr addr;
};
LK_ASSERT_SIZE(struct lk_serve_net, 28);
#define LK_SERVE_BITS 64u

/* Value of lk_net. As with gateways, a row holds what wider ones give to it. */
enum lk_net_flag {
    LK_NET_LAN = 1u << 0,     /* the LAN of policy.md, carve-outs already taken out */
    LK_NET_ONLINK = 1u << 1,  /* prefix of an own address, public ones included */
    LK_NET_NEXTHOP = 1u << 2, /* next hop of a route on this link */
    LK_NET_OWN = 1u << 3,
    LK_NET_INSIDE = 1u << 4, /* prefix of an inside device */
    LK_NET_ROUTER = 1u << 5, /* that a portal is open to */
};

/* ---- state that the kernel side keeps ----------------------------------------------------- */

struct lk_frag_key {
    struct lk_addr src;
    struct lk_addr dst;
    __u32 id;     /* IPv4: 16 bits of it */
    __u32 gw_set; /* a policy's table is its own */
    __u32 proto;
    __u32 pad;
};
LK_ASSERT_SIZE(struct lk_frag_key, 48);

struct lk_frag {      /* the first fragment that passed */
    __u64 expires_ns; /* CLOCK_MONOTONIC */
    __u32 reason;     /* enum lk_reason */
    __u32 pad;
};
LK_ASSERT_SIZE(struct lk_frag, 16);
#define LK_FRAG_LIFE_NS 30000000000ull
#define LK_FRAG_ENTRIES 16384

/*
 * Queries on their way through the tunnel. Each (asker, server asked) has a port of the tunnel's source
 * address for itself: its answers say by their port alone whom they are for and whom they must seem to come
 * from. Ports are above what Linux gives to sockets (ip_local_port_range). TCP and UDP have a table each.
 */
#define LK_NAT_FIRST_PORT 61000u
#define LK_NAT_BUCKETS    128u /* a flow's hash names its bucket */
#define LK_NAT_SLOTS      32u  /* of a bucket; its place in the table is its port */
#define LK_NAT_SHARE      8u   /* slots of a bucket that one asker may hold: he cannot take the others' */

struct lk_nat_flow {
    struct lk_addr asker;
    struct lk_addr server;   /* that was asked, always on port 53 */
    struct lk_addr source;   /* the tunnel's own address */
    struct lk_addr resolver; /* to which the query went */
    __be16 asker_port;
    __be16 resolver_port;
    __u32 ifindex; /* the device by which the query wanted to leave: its answer comes in there */
    __u32 tunnel;  /* ifindex of the one by which it went */
    __u8 macs[12]; /* of the query's frame: destination, source; 0 without a MAC header */
    __u8 l3;       /* the device of ifindex has no MAC header */
    __u8 pad;
    __u16 mtu; /* of the tunnel */
    __u32 pad2;
} __attribute__((aligned(8))); /* compared and copied by words of 8 bytes */
LK_ASSERT_SIZE(struct lk_nat_flow, 96);

/* Fragments of answers: only the first says by its port whom it is for. */
#define LK_NAT_PARTS 1024u
struct lk_part_key {
    struct lk_addr src;
    struct lk_addr dst;
    __u32 id; /* as struct lk_pkt has it */
    __u32 tunnel;
    __u32 proto;
};
LK_ASSERT_SIZE(struct lk_part_key, 44);
struct lk_part {
    struct lk_nat_flow flow;
    __u32 until; /* ticks */
    __u32 pad;
};
LK_ASSERT_SIZE(struct lk_part, 104);

/*
 * Whom a service may answer: who has asked it by this uplink. A table of buckets for each of TCP and UDP.
 * What one remote host (of IPv6: one /64) may hold of a bucket is bounded, and what is not settled yet (half
 * open, or kept by its socket anyhow) gives way to others, so that a flood takes no place that a session
 * lives in.
 */
#define LK_SERVE_BUCKETS 256u
#define LK_SERVE_SLOTS   32u
#define LK_SERVE_SHARE   8u
struct lk_served {
    struct lk_addr remote;
    struct lk_addr local; /* as on the wire of the uplink: before and after address translation */
    __be16 remote_port;
    __be16 local_port;
    __u32 ifindex; /* of the uplink */
    __u8 proto;
    __u8 pad[7];
} __attribute__((aligned(8))); /* compared by words of 8 bytes */
LK_ASSERT_SIZE(struct lk_served, 48);

/* lk_serve_old: sessions that were there when they were first served, by struct lk_served; value: __u64,
 * until when (CLOCK_BOOTTIME, ns). A socket that has sent something under it needs it no more. */
#define LK_SERVE_OLD         16384u
#define LK_SERVE_OLD_LIFE_NS 7800000000000ull

/* lk_tunnels: the devices on whose ingress answers are taken. */
#define LK_TUNNELS 64u
struct lk_tunnel {
    __u32 ethernet; /* 0: packets begin with the IP header */
};
LK_ASSERT_SIZE(struct lk_tunnel, 4);

/* lk_spared: devices that the second gate leaves alone; value: __u32, one of these. */
#define LK_SPARED 16384u
enum lk_spare {
    LK_SPARE_ALL = 1,
    /* A way to containers, and perhaps an uplink in a moment: but for what goes by a router, of which there
       was none. */
    LK_SPARE_NEAR = 2,
};

#define LK_COMM_LEN 16

/* The DNS server that a connected socket asked for, and the resolver that it got instead. */
struct lk_asked {
    struct lk_addr addr;
    struct lk_addr resolver;
    __be16 port;
    __be16 resolver_port;
    __u8 rewritten;
    __u8 pad[3];
};
LK_ASSERT_SIZE(struct lk_asked, 40);

/* Socket storage, written when the socket was made (or by attach for older sockets). */
struct lk_mark {
    __u64 netns_cookie;
    __u32 uid; /* of the creator, initial user namespace */
    __u32 pid; /* 0: not known */
    char comm[LK_COMM_LEN];
    struct lk_asked asked;
};
LK_ASSERT_SIZE(struct lk_mark, 72);

/* Key of lk_makers: the file name of an executable, padded with zeros; value: __u32, 1. */
#define LK_MAKER_LEN 32
struct lk_maker {
    char name[LK_MAKER_LEN];
};
LK_ASSERT_SIZE(struct lk_maker, 32);

/* lk_guard[0]: whose links the bpf() guard keeps, and who may change them. */
#define LK_GUARD_PROGRAMS 32
struct lk_guard {
    __u32 keeper_pid;   /* of the leakbpf that changes them now, in its pid namespace; 0: nobody may */
    __u32 keeper_pidns; /* inode of that namespace */
    __u32 n_programs;
    __u32 pad;
    __u32 programs[LK_GUARD_PROGRAMS]; /* ids: links of these are ours */
};
LK_ASSERT_SIZE(struct lk_guard, 144);

/* Per-CPU value of lk_count, index hook * LK_REASONS + reason. */
struct lk_count {
    __u64 packets; /* calls, for a socket hook */
    __u64 bytes;
};
LK_ASSERT_SIZE(struct lk_count, 16);

/* Index of lk_limit, per CPU: how much may be told in a window. */
enum lk_limit_kind { LK_LIMIT_RESET, LK_LIMIT_ICMP, LK_LIMIT_EVENT, LK_LIMITS };
#define LK_LIMIT_WINDOW_NS 100000000ull

struct lk_limit {
    __u64 window_start_ns; /* when the last window began that ran full */
    __u64 used;            /* in this window */
    __u64 suppressed;      /* since load: not told because of the limit, or (events) lost to a full ring */
    __u64 checked; /* jiffies, when the clock was last asked; it is slow and a flood would ask each time */
};
LK_ASSERT_SIZE(struct lk_limit, 32);

struct lk_event {
    __u64 time_ns;   /* CLOCK_MONOTONIC */
    __u64 cgroup_id; /* 0: no socket */
    struct lk_addr src;
    struct lk_addr dst;
    __u32 ifindex;   /* 0: a socket hook */
    __u32 uid;       /* meaningful with LK_EVENT_UID */
    __u32 pid;       /* 0: not known */
    __u16 ethertype; /* host byte order, innermost */
    __be16 sport;
    __be16 dport;
    __u8 proto;
    __u8 hook;    /* enum lk_hook */
    __u8 verdict; /* enum lk_verdict */
    __u8 reason;  /* enum lk_reason */
    __u8 flags;   /* enum lk_event_flag */
    __u8 pad[3];
    char comm[LK_COMM_LEN];
    __u32 length_bytes;
    __u32 pad2;
};
LK_ASSERT_SIZE(struct lk_event, 104);

enum lk_event_flag {
    LK_EVENT_UID = 1u << 0,
    LK_EVENT_FORWARDED = 1u << 1,
};

#endif
