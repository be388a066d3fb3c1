/* SPDX-License-Identifier: MIT */
/*
 * The decision code of bpf/ compiled natively: the same text that the kernel runs, with map lookups
 * answered by the caller. Plain C, so that bpf/ needs to be no C++.
 */
#ifndef LEAKBPF_IMAGE_JUDGE_H
#define LEAKBPF_IMAGE_JUDGE_H

#include "leakbpf/abi.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Map lookups as in the kernel: the row, or NULL. lpm ones give the longest match. */
struct lk_native_maps {
    void *self;
    const struct lk_gw_row *gw_rows; /* the one table, whatever number a policy gives */
    __u32 gw_places;
    const struct lk_gw *(*gw_net)(void *self, const struct lk_set_net *key);
    const __u32 *(*gw_port)(void *self, const struct lk_set_port *key);
    const __u32 *(*net)(void *self, const struct lk_set_net *key);
    const __u32 *(*boot)(void *self, const struct lk_boot *key);
    const __u32 *(*serve)(void *self, const struct lk_serve_net *key);
    /* Memory of one bucket of those who asked a service, whatever the index; NULL: nobody has. */
    void *(*bucket)(void *self, __u32 index);
    struct lk_frag *(*frag)(void *self, const struct lk_frag_key *key);
    void (*frag_put)(void *self, const struct lk_frag_key *key, const struct lk_frag *value);
    __u64 now_ns; /* of all clocks */
};

struct lk_native_sender {
    int vpn_daemon; /* identity as docs/policy.md has it */
    int forwarded;
    __u32 fwmark;
};

struct lk_native_answer {
    enum lk_verdict verdict;
    enum lk_reason reason;
};

/* frame: what TC egress sees: length bytes, all of them linear. dev NULL: no record of the epoch in force. */
struct lk_native_answer lk_native_judge(const struct lk_native_maps *maps, const struct lk_dev *dev,
                                        const struct lk_native_sender *sender, const void *frame,
                                        __u32 length);

/* frame: what TC ingress sees: notes who asks a service. */
void lk_native_came(const struct lk_native_maps *maps, const struct lk_dev *dev, const void *frame,
                    __u32 length);
__u32 lk_native_bucket_bytes(void); /* all zero: an empty one */

#ifdef __cplusplus
}
#endif
#endif
