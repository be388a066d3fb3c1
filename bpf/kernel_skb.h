/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * What the kernel itself knows of where a packet's checksum will be written, for objects that are loaded only
 * where there is BTF and a way to it from __sk_buff (Linux 6.2): they define LK_KERNEL_SKB.
 */
#ifndef LEAKBPF_BPF_KERNEL_SKB_H
#define LEAKBPF_BPF_KERNEL_SKB_H

#ifdef LK_KERNEL_SKB

#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define LK_CHECKSUM_PARTIAL 3

/* Nothing in it but what is read: the loader finds the real offsets in the running kernel's BTF. */
struct sk_buff {
    unsigned char *head;
    unsigned char *data;
    __u16 csum_start;
    __u16 csum_offset;
    __u8 ip_summed : 2;
} __attribute__((preserve_access_index));

extern void *bpf_cast_to_kern_ctx(void *) __ksym;

/* Where the two bytes end that will be written, from the start of the frame; 0: none will be. */
static __always_inline __s32 lk_kernel_checksum_end(struct __sk_buff *skb) {
    const struct sk_buff *kernel = bpf_cast_to_kern_ctx(skb);
    if (BPF_CORE_READ_BITFIELD(kernel, ip_summed) != LK_CHECKSUM_PARTIAL) return 0;
    __s32 headroom = (long)kernel->data - (long)kernel->head;
    __s32 end = kernel->csum_start + kernel->csum_offset + 2 - headroom;
    return end > 0 ? end : 1; /* in front of the frame: nobody's place */
}

#endif

#endif
