/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * The internet checksum (RFC 1071) of headers that are made here. Pure. Sums are kept unfolded in 64 bits,
 * over words as they stand in memory, so that the result needs no byte swapping either (RFC 1071, 2B).
 */
#ifndef LEAKBPF_BPF_SUM_H
#define LEAKBPF_BPF_SUM_H

#include "base.h"

/* 16 bits, not complemented. */
static __always_inline __u16 lk_csum_fold(__u64 sum) {
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

/* A word of a struct whose members are something else: without this the compiler sums before it stores. */
typedef __u32 __attribute__((may_alias)) lk_any_word;

/* count: known when compiled. */
static __always_inline __u64 lk_csum_words(const void *at, int count) {
    const lk_any_word *words = at;
    __u64 sum = 0;
#ifdef __clang__
#pragma unroll
#endif
    for (int i = 0; i < count; i++)
        sum += words[i];
    return sum;
}

/*
 * What the sum changes by when `count` words, read as numbers, become others, as bpf_l3_csum_replace and
 * bpf_l4_csum_replace take it (RFC 1624). count: known when compiled.
 */
static __always_inline __u32 lk_csum_change(const void *from, const void *to, int count) {
    const lk_any_word *was = from, *is = to;
    __u64 sum = 0;
#ifdef __clang__
#pragma unroll
#endif
    for (int i = 0; i < count; i++)
        sum += (__u64)is[i] + (__u32)~was[i];
    sum = (sum & 0xffffffff) + (sum >> 32);
    return (__u32)((sum & 0xffffffff) + (sum >> 32));
}

/*
 * The pseudo-header of either family: the words 0:0:ffff that a mapped IPv4 address has before its four bytes
 * are a zero of this sum (0xffff is 0 modulo 0xffff).
 */
static __always_inline __u64 lk_csum_pseudo(const struct lk_addr *a, const struct lk_addr *b, __u8 proto,
                                            __u16 bytes) {
    return lk_csum_words(a, 4) + lk_csum_words(b, 4) + LK_HTONS(proto) + LK_HTONS(bytes);
}

#endif
