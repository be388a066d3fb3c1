/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * The maps that all programs of one network namespace share, by pin. Keys and values are those of
 * leakbpf/abi.h; who writes what:
 *     loader: lk_word lk_devs lk_hosts lk_gw lk_gw_net lk_gw_port lk_net lk_boots lk_serves
 *     kernel: lk_counts lk_limits lk_events (and the storages declared where they are used)
 */
#ifndef LEAKBPF_BPF_MAPS_H
#define LEAKBPF_BPF_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "base.h"

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct lk_word);
} lk_word SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2 * LK_DEV_SLOTS);
    __type(key, __u32);
    __type(value, struct lk_dev);
} lk_devs SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, struct lk_host);
} lk_hosts SEC(".maps");

/* Two tables of gateways, each as large as its policies need; see struct lk_gw_row. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
    __uint(max_entries, LK_GW_TABLES);
    __type(key, __u32);
    __array(
        values, struct {
            __uint(type, BPF_MAP_TYPE_ARRAY);
            __uint(map_flags, BPF_F_INNER_MAP);
            __uint(max_entries, 1);
            __uint(key_size, sizeof(__u32)); /* clang leaves the type out of the BTF of a program that */
            __uint(value_size, sizeof(struct lk_gw_row)); /* looks nothing up here */
        });
} lk_gw SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 262144);
    __type(key, struct lk_set_net);
    __type(value, struct lk_gw);
} lk_gw_net SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 262144);
    __type(key, struct lk_set_port);
    __type(value, __u32);
} lk_gw_port SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 262144);
    __type(key, struct lk_set_net);
    __type(value, __u32);
} lk_net SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 4096);
    __type(key, struct lk_boot);
    __type(value, __u32);
} lk_boots SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 16384);
    __type(key, struct lk_serve_net);
    __type(value, __u32);
} lk_serves SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, LK_HOOKS *LK_REASONS);
    __type(key, __u32);
    __type(value, struct lk_count);
} lk_counts SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, LK_LIMITS);
    __type(key, __u32);
    __type(value, struct lk_limit);
} lk_limits SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 256 * 1024);
} lk_events SEC(".maps");

#endif
