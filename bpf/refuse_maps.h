/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* refuse.h for the packet whose case is in the room: a step as those of carry_maps.h, checked once by itself.
 */
#ifndef LEAKBPF_BPF_REFUSE_MAPS_H
#define LEAKBPF_BPF_REFUSE_MAPS_H

#include "carry_maps.h"
#include "refuse.h"

/* The TC action. The packet and its size limit are in the room. */
__noinline int lk_room_refuse(struct __sk_buff *skb) {
    const struct lk_carry *room = lk_carry_room();
    return room ? lk_refuse(skb, &room->pkt, room->mtu) : TC_ACT_SHOT;
}

#endif
