/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* What bench.bpf.c is told: the only value of its .data. */
#ifndef LEAKBPF_BENCH_KNOBS_H
#define LEAKBPF_BENCH_KNOBS_H

#include <linux/types.h>

struct lk_bench_knobs {
    __u32 first_destination; /* IPv4, host byte order */
    __u32 destinations;      /* how many follow it; at least 1 */
    __u32 marked_uid;
};

#endif
