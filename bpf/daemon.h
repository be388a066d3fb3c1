/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* Whom the policy names as the VPN daemon. Pure. */
#ifndef LEAKBPF_BPF_DAEMON_H
#define LEAKBPF_BPF_DAEMON_H

#include "base.h"

/* Is this uid one of the policy's? Never with n_uids 0. */
static __always_inline int lk_uid_is_daemon(const struct lk_policy *policy, __u32 uid) {
    for (__u32 i = 0; i < LK_MAX_UIDS; i++) {
        if (i >= policy->n_uids) break;
        if (policy->uids[i] == uid) return 1;
    }
    return 0;
}

#endif
