/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * The maps of cgroups' policies, the lookups of classify.h over them, and which policies a socket is under.
 * The loader writes all but the storages.
 */
#ifndef LEAKBPF_BPF_SCOPE_MAPS_H
#define LEAKBPF_BPF_SCOPE_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "leakbpf/scope.h"

#include "base.h"

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct lk_scope_word);
} lk_scope_word SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, LK_SCOPE_ROWS);
    __type(key, __u64);
    __type(value, struct lk_scope_row);
} lk_scope_rows SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, LK_SCOPES);
    __type(key, __u32);
    __type(value, struct lk_scope);
} lk_scopes SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1048576);
    __type(key, struct lk_set_addr);
    __type(value, struct lk_gw);
} lk_scope_gw SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1048576);
    __type(key, struct lk_set_net);
    __type(value, struct lk_gw);
} lk_scope_gwnet SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 262144);
    __type(key, struct lk_set_port);
    __type(value, __u32);
} lk_scope_port SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 262144);
    __type(key, struct lk_set_net);
    __type(value, __u32);
} lk_scope_net SEC(".maps");

/* Of lk_scope_frames: whose frames come in by a device. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, LK_SCOPE_LINKS);
    __type(key, struct lk_scope_link_key);
    __type(value, struct lk_scope_link);
} lk_scope_links SEC(".maps");

/* The loader's own: what status shows, and what a replaced policy's rows are found by. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, LK_SCOPE_PAGES);
    __type(key, struct lk_scope_page_key);
    __type(value, struct lk_scope_page);
} lk_scope_pages SEC(".maps");

/* All zero: made by a packet of a socket that is older than the hooks; its policies are not looked up yet. */
struct lk_member {
    struct bpf_spin_lock lock; /* of places, for those who write them */
    __u32 uid;                 /* of the creator, initial user namespace; 0: root or not known */
    __u64 cgroup_id;
    __u64 netns_cookie;          /* of where it was made; 0: not known */
    __u64 places[LK_SCOPE_NEST]; /* generation << 32 | slot in lk_scopes, the outermost first */
};

/* Accepted sockets take their listener's with them. */
struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
    __type(key, int);
    __type(value, struct lk_member);
} lk_members SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct lk_asked);
} lk_scope_asked SEC(".maps");

static __always_inline const struct lk_gw *lk_find_gw_host(const struct lk_policy *policy,
                                                           const struct lk_addr *addr) {
    struct lk_set_addr key = {.set = policy->gw_set, .addr = *addr};
    return bpf_map_lookup_elem(&lk_scope_gw, &key);
}

static __always_inline const struct lk_gw *lk_lookup_gw_net(const struct lk_set_net *key) {
    return bpf_map_lookup_elem(&lk_scope_gwnet, key);
}

static __always_inline const __u32 *lk_lookup_gw_port(const struct lk_set_port *key) {
    return bpf_map_lookup_elem(&lk_scope_port, key);
}

static __always_inline const __u32 *lk_lookup_net(const struct lk_set_net *key) {
    return bpf_map_lookup_elem(&lk_scope_net, key);
}

#ifndef LK_SCOPE_FRAGMENTS /* whoever judges fragments defines it */
/* What is sent here is fragmented after it was judged. */
static __always_inline const struct lk_frag *lk_lookup_frag(const struct lk_frag_key *key) {
    (void)key;
    return NULL;
}
#endif

static __always_inline __u64 lk_boot_ns(void) {
    return bpf_ktime_get_boot_ns();
}

/* 0: there never was a policy. */
static __always_inline __u32 lk_scope_generation(void) {
    __u32 zero = 0;
    const struct lk_scope_word *word = bpf_map_lookup_elem(&lk_scope_word, &zero);
    return word ? *(volatile const __u32 *)&word->generation : 0;
}

static __always_inline struct lk_scope *lk_scope_at(__u32 slot) {
    return bpf_map_lookup_elem(&lk_scopes, &slot);
}

/* The policies over a socket: slots, the outermost first. */
struct lk_places {
    __u32 slots[LK_SCOPE_NEST];
};

/* What stands for a cgroup's row. */
static __always_inline __u32 lk_slot_of(const struct lk_scope_row *row, __u64 id) {
    const __u32 slot = row->slot;
    const struct lk_scope *scope = lk_scope_at(slot);
    return scope && scope->cgroup_id == id ? slot : LK_SCOPE_DENY; /* taken from under us, or gone */
}

/* skb: the cgroup of the packet's socket; NULL: that of the running process. */
static __always_inline void lk_walk(struct __sk_buff *skb, struct lk_places *places) {
    __u32 found = 0;
    for (__u32 level = 1; level < LK_SCOPE_LEVELS; level++) {
        __u64 id = skb ? bpf_skb_ancestor_cgroup_id(skb, level) : bpf_get_current_ancestor_cgroup_id(level);
        if (!id) break;
        const struct lk_scope_row *row = bpf_map_lookup_elem(&lk_scope_rows, &id);
        if (!row) continue;
        if (found < LK_SCOPE_NEST) places->slots[found] = lk_slot_of(row, id);
        found++;
    }
    if (found > LK_SCOPE_NEST) places->slots[0] = LK_SCOPE_DENY;
}

/* What was found under this generation; 0: nothing was yet. */
static __always_inline int lk_places_kept(const struct lk_member *member, __u32 generation,
                                          struct lk_places *places) {
    for (int i = 0; i < (int)LK_SCOPE_NEST; i++) {
        const __u64 word = *(volatile const __u64 *)&member->places[i];
        if (word >> 32 != generation) return 0;
        places->slots[i] = (__u32)word;
    }
    return 1;
}

/* Once for each generation: two finders must not mix theirs. */
static __always_inline void lk_places_keep(struct lk_member *member, __u32 generation,
                                           const struct lk_places *places) {
    bpf_spin_lock(&member->lock);
    if (member->places[0] >> 32 != generation)
        for (int i = 0; i < (int)LK_SCOPE_NEST; i++)
            *(volatile __u64 *)&member->places[i] = (__u64)generation << 32 | places->slots[i];
    bpf_spin_unlock(&member->lock);
}

#endif
