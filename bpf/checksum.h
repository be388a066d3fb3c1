/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * The internet checksum (RFC 1071) of crafted answers. Sums are kept unfolded in 64 bits, over words as they
 * stand in memory, so that the result needs no byte swapping either (RFC 1071, 2B).
 */
#ifndef LEAKBPF_BPF_CHECKSUM_H
#define LEAKBPF_BPF_CHECKSUM_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

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
#pragma unroll
    for (int i = 0; i < count; i++)
        sum += words[i];
    return sum;
}

/*
 * The pseudo-header of either family: the words 0:0:ffff that a mapped IPv4 address has before its four bytes
 * are a zero of this sum (0xffff is 0 modulo 0xffff).
 */
static __always_inline __u64 lk_csum_pseudo(const struct lk_addr *a, const struct lk_addr *b, __u8 proto,
                                            __u16 bytes) {
    return lk_csum_words(a, 4) + lk_csum_words(b, 4) + LK_HTONS(proto) + LK_HTONS(bytes);
}

/*
 * Sum of `bytes` (below 2,048) bytes of a linear frame, from `from` (below 256) on. Negative: they are not
 * there. Each block's place is worked out from the two arguments alone, so that the verifier has nothing to
 * remember from one block to the next: as a loop this is explored hundreds of times over. The barrier keeps
 * clang from making an OR of the sum, whose bounds 5.10 and 6.1 lose ("math between pkt pointer and register
 * with unbounded min value").
 */
static __always_inline __s64 lk_csum_range(struct __sk_buff *skb, __u64 from, __u64 bytes) {
    const __u8 *end = (const __u8 *)(long)skb->data_end;
    const __u8 *begin = (const __u8 *)(long)skb->data;
    __s64 sum = 0;
    from &= 0xff;
    asm volatile("" : "+r"(from));
#pragma unroll
    for (__u64 block = 1024; block >= 4; block /= 2) {
        if (!(bytes & block)) continue;
        const __u8 *at = begin + (from + (bytes & (0x7ff & ~(2 * block - 1))));
        if (at + block > end) return -1;
        if (block > 512) sum = bpf_csum_diff(NULL, 0, (__be32 *)(at + 512), 512, sum);
        sum = bpf_csum_diff(NULL, 0, (__be32 *)at, block > 512 ? 512 : block, sum);
    }
    if (bytes & 3) {
        const __u8 *at = begin + (from + (bytes & 0x7fc));
        if (at + 1 > end) return -1;
        __u16 last = at[0];
        if (bytes & 2) {
            if (at + 2 > end) return -1;
            sum += lk_load16(at);
            last = 0;
            if (bytes & 1) {
                if (at + 3 > end) return -1;
                last = at[2];
            }
        }
        sum += LK_HTONS((__u16)(last << 8));
    }
    return sum;
}

#endif
