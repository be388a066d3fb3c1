/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * The internet checksum (sum.h) of what lies in a packet.
 */
#ifndef LEAKBPF_BPF_CHECKSUM_H
#define LEAKBPF_BPF_CHECKSUM_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "sum.h"

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
