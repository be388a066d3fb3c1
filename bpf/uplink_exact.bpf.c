// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/*
 * The same programs once more, for kernels that show BPF their own sk_buff: there is read what stray.h has to
 * find out by tricks elsewhere, and on Linux 7.2 cannot. Every map is the same, so either object serves.
 */
#define LK_KERNEL_SKB
#include "uplink.bpf.c"
