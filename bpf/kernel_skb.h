/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * What the kernel itself knows of where a packet's checksum will be written, for objects that are loaded only
 * where there is BTF: they define LK_KERNEL_SKB. Where there is a way to it from __sk_buff (Linux 6.2) it is
 * read in place; with LK_PROBED_SKB by a helper call for each word, which all kernels have.
 */
#ifndef LEAKBPF_BPF_KERNEL_SKB_H
#define LEAKBPF_BPF_KERNEL_SKB_H

#ifdef LK_KERNEL_SKB

#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define LK_CHECKSUM_PARTIAL 3

/* Nothing in it but what is read: the loader finds the real offsets in the running kernel's BTF. */
struct sk_buff___sum {
    unsigned char *head;
    unsigned char *data;
    __u16 csum_start;
    __u16 csum_offset;
    __u8 ip_summed : 2;
} __attribute__((preserve_access_index));

#ifdef LK_PROBED_SKB
#define LK_SKB_READ(kernel, member) BPF_CORE_READ(kernel, member)
#define LK_SKB_BITS(kernel, member) BPF_CORE_READ_BITFIELD_PROBED(kernel, member)
#define LK_SKB_OF(skb)              ((const void *)(skb))
#else
extern void *bpf_cast_to_kern_ctx(void *) __ksym;
#define LK_SKB_READ(kernel, member) ((kernel)->member)
#define LK_SKB_BITS(kernel, member) BPF_CORE_READ_BITFIELD(kernel, member)
#define LK_SKB_OF(skb)              bpf_cast_to_kern_ctx(skb)
#endif

/* Where the two bytes end that will be written, from the start of the frame; 0: none will be. */
static __always_inline __s32 lk_kernel_checksum_end(struct __sk_buff *skb) {
    const struct sk_buff___sum *kernel = LK_SKB_OF(skb);
    if (LK_SKB_BITS(kernel, ip_summed) != LK_CHECKSUM_PARTIAL) return 0;
    __s32 headroom = (long)LK_SKB_READ(kernel, data) - (long)LK_SKB_READ(kernel, head);
    __s32 end = LK_SKB_READ(kernel, csum_start) + LK_SKB_READ(kernel, csum_offset) + 2 - headroom;
    return end > 0 ? end : 1; /* in front of the frame: nobody's place */
}

#endif

#endif
