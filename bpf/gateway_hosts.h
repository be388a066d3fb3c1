/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * A gateway with a full-length prefix in the table that userspace laid out. Whoever includes this defines
 * lk_gw_table and lk_gw_row (NULL beyond the end) first.
 */
#ifndef LEAKBPF_BPF_GATEWAY_HOSTS_H
#define LEAKBPF_BPF_GATEWAY_HOSTS_H

#include "base.h"

static __always_inline const struct lk_gw *lk_find_gw_host(const struct lk_policy *policy,
                                                           const struct lk_addr *addr) {
    const void *table = lk_gw_table(policy->gw_table);
    if (!table) return NULL;
    __u32 home = lk_gw_home(policy->gw_set, addr, policy->gw_bits);
    for (__u32 probe = 0; probe < LK_GW_PROBES; probe++) {
        const struct lk_gw_row *row = lk_gw_row(table, home + probe);
        if (!row || !row->key.set) return NULL;
        if (row->key.set == policy->gw_set && lk_addr_equal(&row->key.addr, addr)) return &row->gw;
    }
    return NULL;
}

#endif
