/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* back.h as the kernel has it: the table of fragments, and its steps as functions for the verifier. */
#ifndef LEAKBPF_BPF_BACK_MAPS_H
#define LEAKBPF_BPF_BACK_MAPS_H

#include "carry_maps.h"

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, LK_NAT_PARTS);
    __type(key, struct lk_part_key);
    __type(value, struct lk_part);
} lk_parts SEC(".maps");

static __always_inline const struct lk_part *lk_lookup_part(const struct lk_part_key *key) {
    return bpf_map_lookup_elem(&lk_parts, key);
}

static __always_inline void lk_note_part(struct lk_carry *c);

#include "back.h"

/* Best effort: without it, the asker waits for fragments that do not come, and asks again. */
static __always_inline void lk_note_part(struct lk_carry *c) {
    c->noted.flow = c->flow;
    c->noted.until = c->now + LK_PART_LIFE;
    bpf_map_update_elem(&lk_parts, &c->part, &c->noted, BPF_ANY);
}

/* What came back: an answer, an error about a query, or nothing of ours. */
enum lk_back { LK_BACK_NONE = 0, LK_BACK_ANSWER, LK_BACK_ERROR };

__noinline int lk_room_find(struct __sk_buff *skb) {
    struct lk_carry *room = lk_carry_room();
    if (!room) return LK_BACK_NONE;
    if (lk_back_find(room)) return LK_BACK_ANSWER;
    return lk_back_find_error(skb, room) ? LK_BACK_ERROR : LK_BACK_NONE;
}

/* enum lk_carried */
__noinline int lk_room_answer(struct __sk_buff *skb) {
    struct lk_carry *room = lk_carry_room();
    return room ? lk_back_answer(skb, room) : LK_CARRY_SPOILT;
}
__noinline int lk_room_error(struct __sk_buff *skb) {
    struct lk_carry *room = lk_carry_room();
    return room ? lk_back_error(skb, room) : LK_CARRY_SPOILT;
}

/* What came back, made into what the asker waits for. SPOILT, DONE, or -1: it is none of ours. */
static __always_inline int lk_room_back(struct __sk_buff *skb) {
    switch (lk_room_find(skb)) {
    case LK_BACK_ANSWER: return lk_room_answer(skb);
    case LK_BACK_ERROR: return lk_room_error(skb);
    default: return -1;
    }
}

#endif
