// SPDX-License-Identifier: MIT
#include "fuzz/native_carry.h"

#include <linux/bpf.h>
#include <stdint.h>
#include <string.h>

static struct lk_native_packet *packet_of(const struct __sk_buff *skb) {
    return (struct lk_native_packet *)(uintptr_t)skb;
}

static __u8 *bytes_at(struct __sk_buff *skb, __u32 offset, __u32 length) {
    struct lk_native_packet *packet = packet_of(skb);
    return offset + length <= packet->length ? packet->data + offset : NULL;
}

static long bpf_skb_load_bytes(const void *skb, __u32 offset, void *to, __u32 length) {
    const __u8 *at = bytes_at((struct __sk_buff *)(uintptr_t)skb, offset, length);
    if (!at) return -14;
    memcpy(to, at, length);
    return 0;
}

static long bpf_skb_store_bytes(struct __sk_buff *skb, __u32 offset, const void *from, __u32 length,
                                __u64 flags) {
    __u8 *at = bytes_at(skb, offset, length);
    if (!at || flags) return -14;
    memcpy(at, from, length);
    return 0;
}

static __u32 fold(__u64 sum) {
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (__u32)sum;
}

/* RFC 1624: HC' = ~(~HC + difference). */
static void replace(__u8 *at, __u64 difference, int complemented) {
    __u16 value;
    memcpy(&value, at, 2);
    const __u32 sum = fold((complemented ? (__u16)~value : value) + difference);
    value = (__u16)(complemented ? ~sum : sum);
    memcpy(at, &value, 2);
}

static long bpf_l3_csum_replace(struct __sk_buff *skb, __u32 offset, __u64 from, __u64 to, __u64 size) {
    __u8 *at = bytes_at(skb, offset, 2);
    if (!at || from || size) return -22;
    replace(at, to, 1);
    return 0;
}

static long bpf_l4_csum_replace(struct __sk_buff *skb, __u32 offset, __u64 from, __u64 to, __u64 flags) {
    __u8 *at = bytes_at(skb, offset, 2);
    const __u64 size = flags & 0xf;
    if (!at) return -14;
    const int mangled_0 = (flags & BPF_F_MARK_MANGLED_0) != 0, pseudo = (flags & BPF_F_PSEUDO_HDR) != 0;
    __u16 value;
    memcpy(&value, at, 2);
    if (mangled_0 && !value) return 0;
    __u64 difference = to;
    if (size == 2)
        difference = (__u16)~from + (__u64)(__u16)to;
    else if (size == 4)
        difference = (__u32)~from + (__u64)(__u32)to;
    else if (from)
        return -22;
    if (!packet_of(skb)->partial)
        replace(at, difference, 1);
    else if (pseudo)
        replace(at, difference, 0);
    memcpy(&value, at, 2);
    if (mangled_0 && !value) memset(at, 0xff, 2);
    return 0;
}

static long bpf_skb_change_proto(struct __sk_buff *skb, __be16 proto, __u64 flags) {
    struct lk_native_packet *packet = packet_of(skb);
    const __u32 l3 = packet->l3 ? 0 : 14;
    if (flags) return -22;
    const int to6 = proto == __builtin_bswap16(0x86dd);
    const __u32 old = to6 ? 20 : 40, new = to6 ? 40 : 20;
    memmove(packet->data + l3 + new, packet->data + l3 + old, packet->length - l3 - old);
    memset(packet->data + l3, 0xa5, new); /* the kernel does not say what is there */
    packet->length = packet->length - old + new;
    return 0;
}

static long bpf_skb_change_tail(struct __sk_buff *skb, __u32 length, __u64 flags) {
    struct lk_native_packet *packet = packet_of(skb);
    if (flags || length > LK_NATIVE_PACKET_BYTES) return -22;
    if (length > packet->length) memset(packet->data + packet->length, 0, length - packet->length);
    packet->length = length;
    return 0;
}

/* Room behind an IPv6 header alone. */
static long bpf_skb_adjust_room(struct __sk_buff *skb, __s32 difference, __u32 mode, __u64 flags) {
    struct lk_native_packet *packet = packet_of(skb);
    const __u32 at = (packet->l3 ? 0 : 14) + 40, more = (__u32)difference;
    if (mode != BPF_ADJ_ROOM_NET || flags || difference < 0 || at > packet->length ||
        packet->length + more > LK_NATIVE_PACKET_BYTES)
        return -22;
    memmove(packet->data + at + more, packet->data + at, packet->length - at);
    memset(packet->data + at, 0, more);
    packet->length += more;
    return 0;
}

#include "nat.h"

static struct lk_nat_bucket table[2 * LK_NAT_BUCKETS];

static struct lk_nat_bucket *lk_lookup_nat(__u32 index) {
    return index < 2 * LK_NAT_BUCKETS ? &table[index] : NULL;
}
static void lk_nat_lock(struct lk_nat_bucket *bucket) {
    bucket->lock.val++;
}
static void lk_nat_unlock(struct lk_nat_bucket *bucket) {
    bucket->lock.val--;
}

/* The last first fragments; the kernel's table is larger. */
#define PARTS 64
static struct {
    struct lk_part_key key;
    struct lk_part part;
} parts[PARTS];
static unsigned next_part;

static const struct lk_part *lk_lookup_part(const struct lk_part_key *key) {
    for (unsigned i = 1; i <= PARTS; i++) {
        const unsigned at = (next_part - i) % PARTS; /* the newest first */
        if (memcmp(&parts[at].key, key, sizeof(*key)) == 0) return &parts[at].part;
    }
    return NULL;
}

struct lk_carry;
static void lk_note_part(struct lk_carry *c);

#include "back.h"

static void lk_note_part(struct lk_carry *c) {
    const unsigned at = next_part++ % PARTS;
    parts[at].key = c->part;
    parts[at].part.flow = c->flow;
    parts[at].part.until = c->now + LK_PART_LIFE;
}

void lk_native_carry_reset(void) {
    memset(table, 0, sizeof(table));
    memset(parts, 0, sizeof(parts));
}

static struct lk_carry room;

static void read_case(const struct lk_carry_test *test, struct lk_native_packet *packet) {
    memset(&room, 0xee, sizeof(room));
    memset(&room.pkt, 0, sizeof(room.pkt));
    lk_parse(&room.pkt, packet->data, packet->data + packet->length, packet->length, (int)test->l3);
    room.way = test->way;
    room.ifindex = test->ifindex;
    room.sender = test->sender;
    room.l3 = test->l3;
    room.now = test->now;
}

int lk_native_query(const struct lk_carry_test *test, struct lk_native_packet *packet) {
    read_case(test, packet);
    if (room.pkt.shape != LK_SHAPE_IP || room.pkt.dport != LK_HTONS(53)) return LK_NATIVE_NONE;
    struct __sk_buff *skb = (struct __sk_buff *)packet;
    enum lk_carried carried = lk_carry_resume(skb, &room);
    if (carried == LK_CARRY_NEW) carried = lk_carry_admit(&room);
    return carried == LK_CARRY_DONE ? (int)lk_carry_send(skb, &room) : (int)carried;
}

int lk_native_answer(const struct lk_carry_test *test, struct lk_native_packet *packet) {
    read_case(test, packet);
    struct __sk_buff *skb = (struct __sk_buff *)packet;
    if (lk_back_find(&room)) return (int)lk_back_answer(skb, &room);
    if (lk_back_find_error(skb, &room)) return (int)lk_back_error(skb, &room);
    return LK_NATIVE_NONE;
}
