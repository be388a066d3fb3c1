/* SPDX-License-Identifier: MIT */
/*
 * bpf/carry.h compiled natively, with stand-ins for the packet helpers that do what bpf-helpers(7) says, and
 * a table of its own.
 */
#ifndef LEAKBPF_TESTS_NATIVE_CARRY_H
#define LEAKBPF_TESTS_NATIVE_CARRY_H

#include "prog_run/carry_test.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LK_NATIVE_PACKET_BYTES 4096

struct lk_native_packet {
    __u8 data[LK_NATIVE_PACKET_BYTES];
    __u32 length;
    int l3;      /* no MAC header */
    int partial; /* CHECKSUM_PARTIAL: the upper layer's checksum is left to the device */
};

void lk_native_carry_reset(void);
/* As the programs of tests/prog_run/carry.bpf.c. */
int lk_native_query(const struct lk_carry_test *test, struct lk_native_packet *packet);
int lk_native_answer(const struct lk_carry_test *test, struct lk_native_packet *packet);
/* What the other side of lk_native_query must come to: enum lk_carried. */
enum { LK_NATIVE_NONE = -1, LK_NATIVE_SPOILT, LK_NATIVE_FULL, LK_NATIVE_STRAY, LK_NATIVE_DONE };

#ifdef __cplusplus
}
#endif
#endif
