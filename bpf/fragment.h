/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* Row F: first fragments that passed, so that their tails do. Bounded by an LRU, each entry by
 * LK_FRAG_LIFE_NS. */
#ifndef LEAKBPF_BPF_FRAGMENT_H
#define LEAKBPF_BPF_FRAGMENT_H

#include "maps.h"

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, LK_FRAG_ENTRIES);
    __type(key, struct lk_frag_key);
    __type(value, struct lk_frag);
} lk_frags SEC(".maps");

static __always_inline const struct lk_frag *lk_lookup_frag(const struct lk_frag_key *key) {
    return bpf_map_lookup_elem(&lk_frags, key);
}

#endif
