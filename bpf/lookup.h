/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* The lookups of classify.h and of the hooks, answered by the kernel's maps. */
#ifndef LEAKBPF_BPF_LOOKUP_H
#define LEAKBPF_BPF_LOOKUP_H

#include "maps.h"

static __always_inline const void *lk_gw_table(__u32 which) {
    return bpf_map_lookup_elem(&lk_gw, &which);
}

static __always_inline const struct lk_gw_row *lk_gw_row(const void *table, __u32 place) {
    return bpf_map_lookup_elem((void *)table, &place);
}

#include "gateway_hosts.h"

static __always_inline const struct lk_gw *lk_lookup_gw_net(const struct lk_set_net *key) {
    return bpf_map_lookup_elem(&lk_gw_net, key);
}

static __always_inline const __u32 *lk_lookup_gw_port(const struct lk_set_port *key) {
    return bpf_map_lookup_elem(&lk_gw_port, key);
}

static __always_inline const __u32 *lk_lookup_net(const struct lk_set_net *key) {
    return bpf_map_lookup_elem(&lk_net, key);
}

static __always_inline const __u32 *lk_lookup_boot(const struct lk_boot *key) {
    return bpf_map_lookup_elem(&lk_boots, key);
}

static __always_inline const __u32 *lk_lookup_serve(const struct lk_serve_net *key) {
    return bpf_map_lookup_elem(&lk_serves, key);
}

/* The epoch in force; 0: none. Read once for each packet. */
static __always_inline __u32 lk_epoch(void) {
    __u32 zero = 0;
    const struct lk_word *word = bpf_map_lookup_elem(&lk_word, &zero);
    return word ? *(volatile const __u32 *)&word->epoch : 0;
}

/* This uplink's record of the epoch in force, or NULL: deny. */
static __always_inline const struct lk_dev *lk_find_dev(__u32 ifindex) {
    __u32 epoch = lk_epoch();
    if (!epoch) return NULL;
    for (__u32 probe = 0; probe < LK_DEV_PROBES; probe++) {
        __u32 index = (epoch & 1) * LK_DEV_SLOTS + ((ifindex + probe) & (LK_DEV_SLOTS - 1));
        const struct lk_dev *dev = bpf_map_lookup_elem(&lk_devs, &index);
        if (!dev) return NULL;
        if (dev->ifindex == ifindex && dev->epoch == epoch) return dev;
    }
    return NULL;
}

/* The socket hooks' record of the epoch in force, or NULL: they leave the socket alone, TC judges. */
static __always_inline const struct lk_host *lk_find_host(void) {
    __u32 epoch = lk_epoch();
    __u32 index = epoch & 1;
    if (!epoch) return NULL;
    const struct lk_host *host = bpf_map_lookup_elem(&lk_hosts, &index);
    return host && host->epoch == epoch ? host : NULL;
}

/* CLOCK_BOOTTIME. */
static __always_inline __u64 lk_boot_ns(void) {
    return bpf_ktime_get_boot_ns();
}

#endif
