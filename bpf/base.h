/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * What the decision code needs of its surroundings, in the kernel and natively: byte order, loads from a
 * packet (which is aligned to nothing), addresses. No map, no helper call.
 */
#ifndef LEAKBPF_BPF_BASE_H
#define LEAKBPF_BPF_BASE_H

#include <linux/types.h>

#include "leakbpf/abi.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#ifndef NULL
#define NULL ((void *)0)
#endif

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LK_NTOHS(x) ((__u16)__builtin_bswap16((__u16)(x)))
#define LK_NTOHL(x) ((__u32)__builtin_bswap32((__u32)(x)))
#else
#define LK_NTOHS(x) ((__u16)(x))
#define LK_NTOHL(x) ((__u32)(x))
#endif
#define LK_HTONS(x) LK_NTOHS(x)
#define LK_HTONL(x) LK_NTOHL(x)

/* clang for BPF turns a memcpy of unknown alignment into single bytes; the kernel's JITs load as they are. */
#ifdef __bpf__
static __always_inline __u16 lk_load16(const void *at) {
    return *(const __u16 *)at;
}
static __always_inline __u32 lk_load32(const void *at) {
    return *(const __u32 *)at;
}
#else
static __always_inline __u16 lk_load16(const void *at) {
    __u16 value;
    __builtin_memcpy(&value, at, sizeof(value));
    return value;
}
static __always_inline __u32 lk_load32(const void *at) {
    __u32 value;
    __builtin_memcpy(&value, at, sizeof(value));
    return value;
}
#endif

/*
 * 1 if a < b, else 0; both below 2^63. For searches in which a branch would make the verifier walk all that
 * follows once for each step; the barriers keep the compiler from making one of it.
 */
static __always_inline __u64 lk_less(__u64 a, __u64 b) {
    __asm__ volatile("" : "+r"(a));
    __u64 bit = (a - b) >> 63;
    __asm__ volatile("" : "+r"(bit));
    return bit;
}
static __always_inline __u64 lk_zero(__u32 a) {
    return lk_less(a, 1);
}

/* What was written to memory before this is read from there after it, by whatever path it was written. */
static __always_inline void lk_forget(void) {
    __asm__ volatile("" ::: "memory");
}

static __always_inline void lk_load_addr4(struct lk_addr *addr, const void *at) {
    addr->w[0] = 0;
    addr->w[1] = 0;
    addr->w[2] = LK_HTONL(0xffff);
    addr->w[3] = lk_load32(at);
}

static __always_inline void lk_load_addr6(struct lk_addr *addr, const void *at) {
    const __u8 *bytes = at;
    addr->w[0] = lk_load32(bytes);
    addr->w[1] = lk_load32(bytes + 4);
    addr->w[2] = lk_load32(bytes + 8);
    addr->w[3] = lk_load32(bytes + 12);
}

/* As few branches as can be: each is a path that the verifier walks. */
static __always_inline int lk_addr_equal(const struct lk_addr *a, const struct lk_addr *b) {
    return a->w[3] == b->w[3] && !((a->w[2] ^ b->w[2]) | (a->w[1] ^ b->w[1]) | (a->w[0] ^ b->w[0]));
}

static __always_inline int lk_addr_mapped(const struct lk_addr *a) {
    return !(a->w[0] | a->w[1] | (a->w[2] ^ LK_HTONL(0xffff)));
}

/* 0.0.0.0 or :: */
static __always_inline int lk_addr_unspecified(const struct lk_addr *a) {
    return !(a->w[3] | a->w[1] | a->w[0]) && (a->w[2] == 0 || a->w[2] == LK_HTONL(0xffff));
}

/* 224.0.0.0/4 or ff00::/8 */
static __always_inline int lk_addr_multicast(const struct lk_addr *a) {
    if (lk_addr_mapped(a)) return (a->w[3] & LK_HTONL(0xf0000000)) == LK_HTONL(0xe0000000);
    return (a->w[0] & LK_HTONL(0xff000000)) == LK_HTONL(0xff000000);
}

static __always_inline int lk_addr_is4(const struct lk_addr *a, __u32 host_order) {
    return lk_addr_mapped(a) && a->w[3] == LK_HTONL(host_order);
}

/* Four words in host byte order. */
static __always_inline int lk_addr_is6(const struct lk_addr *a, __u32 w0, __u32 w1, __u32 w2, __u32 w3) {
    return a->w[0] == LK_HTONL(w0) && a->w[1] == LK_HTONL(w1) && a->w[2] == LK_HTONL(w2) &&
           a->w[3] == LK_HTONL(w3);
}

/* fe80::/64 */
static __always_inline int lk_addr_link_local6(const struct lk_addr *a) {
    return a->w[0] == LK_HTONL(0xfe800000) && a->w[1] == 0;
}

#endif
