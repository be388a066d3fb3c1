/* SPDX-License-Identifier: MIT */
/* What a test tells carry.bpf.c and the native twin; C and C++. */
#ifndef LEAKBPF_TESTS_CARRY_TEST_H
#define LEAKBPF_TESTS_CARRY_TEST_H

#include "leakbpf/abi.h"

struct lk_carry_test {
    struct lk_way way;
    __u64 sender;  /* nat.h */
    __u32 ifindex; /* of the uplink for a query, of the tunnel for an answer */
    __u32 l3;
    __u32 now; /* ticks */
};

#endif
