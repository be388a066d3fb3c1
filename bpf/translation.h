/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* What translate.h is asked to do, as a value; C and C++. */
#ifndef LEAKBPF_BPF_TRANSLATION_H
#define LEAKBPF_BPF_TRANSLATION_H

#include "leakbpf/abi.h"

/* One way of writing down who talks to whom. IPv4 mapped, both addresses of one family, side by side. */
struct lk_leg {
    struct lk_addr src;
    struct lk_addr dst;
    __be16 sport;
    __be16 dport;
};

struct lk_translation {
    struct lk_leg from; /* what the packet says */
    struct lk_leg to;   /* what it shall say */
    __u32 l3_off;       /* bytes; a MAC header stands before it if not 0 */
    __u32 l4_off;       /* bytes; right behind an IP header without options or extensions but a fragment's */
    __u8 proto;         /* TCP or UDP */
    __u8 part;          /* enum lk_frag_part; other than whole only of one family, or from IPv4 to IPv6 */
    __u8 syn;           /* a TCP segment with SYN: its MSS is looked at */
    __u8 pad;
    __u32 max_mss; /* 0: as it is */
    __u32 place;   /* room to work in */
    __u8 option[4] __attribute__((aligned(4)));
};

#endif
