/* SPDX-License-Identifier: MIT */
/* The text of bpf/ for the host's own processor: the lookups that it names are answered by the caller's maps.
 */
#include "image/judge.h"

#include "base.h"

static _Thread_local const struct lk_native_maps *maps_of_call;

static const void *lk_gw_table(__u32 which) {
    (void)which;
    return maps_of_call->gw_rows;
}

static const struct lk_gw_row *lk_gw_row(const void *table, __u32 place) {
    return place < maps_of_call->gw_places ? (const struct lk_gw_row *)table + place : NULL;
}

#include "gateway_hosts.h"

static const struct lk_gw *lk_lookup_gw_net(const struct lk_set_net *key) {
    return maps_of_call->gw_net(maps_of_call->self, key);
}

static const __u32 *lk_lookup_gw_port(const struct lk_set_port *key) {
    return maps_of_call->gw_port(maps_of_call->self, key);
}

static const __u32 *lk_lookup_net(const struct lk_set_net *key) {
    return maps_of_call->net(maps_of_call->self, key);
}

static const struct lk_frag *lk_lookup_frag(const struct lk_frag_key *key) {
    return maps_of_call->frag(maps_of_call->self, key);
}

static const __u32 *lk_lookup_boot(const struct lk_boot *key) {
    return maps_of_call->boot(maps_of_call->self, key);
}

static const __u32 *lk_lookup_serve(const struct lk_serve_net *key) {
    return maps_of_call->serve(maps_of_call->self, key);
}

static __u64 lk_boot_ns(void) {
    return maps_of_call->now_ns;
}

#include "verdict.h"

#include "bootstrap.h"
#include "serve.h"

static __u32 number_at(const struct lk_pkt *pkt, const __u8 *frame, __u32 offset) {
    return pkt->proto == LK_PROTO_TCP ? LK_NTOHL(lk_load32(frame + pkt->l4_off + offset)) : 0;
}

static struct lk_serve_bucket *bucket_of(const struct lk_served *flow, __u32 *tag) {
    *tag = lk_serve_tag(flow);
    return maps_of_call->bucket(maps_of_call->self, lk_serve_index(flow->proto, *tag));
}

static int serves(const struct lk_dev *dev, const struct lk_pkt *pkt, const __u8 *frame) {
    struct lk_served flow = {.ifindex = dev->ifindex};
    if (!lk_serve_leaves(dev, pkt, &flow)) return 0;
    __u32 tag;
    struct lk_serve_bucket *bucket = bucket_of(&flow, &tag);
    const struct lk_serve_head head = {.tcp_flags = pkt->tcp_flags, .number = number_at(pkt, frame, 4)};
    return bucket && lk_serve_answers(bucket, tag, LK_SERVE_TICKS(lk_boot_ns()), &flow, &head);
}

void lk_native_came(const struct lk_native_maps *maps, const struct lk_dev *dev, const void *frame,
                    __u32 length) {
    if (!dev) return;
    maps_of_call = maps;
    const __u8 *bytes = frame;
    struct lk_pkt pkt = {};
    lk_parse(&pkt, bytes, bytes + length, length, dev->flags & LK_DEV_L3);
    struct lk_served flow = {.ifindex = dev->ifindex};
    if (!lk_serve_came(dev, &pkt, &flow)) return;
    __u32 tag;
    struct lk_serve_bucket *bucket = bucket_of(&flow, &tag);
    const struct lk_serve_head head = {.tcp_flags = pkt.tcp_flags, .number = number_at(&pkt, bytes, 8)};
    if (bucket) lk_serve_note(bucket, tag, LK_SERVE_TICKS(lk_boot_ns()), &flow, &head);
}

__u32 lk_native_bucket_bytes(void) {
    return sizeof(struct lk_serve_bucket);
}

static int bootstraps(const struct lk_dev *dev, const struct lk_pkt *pkt, const __u8 *frame, __u32 length) {
    struct lk_boot_case boot = {};
    if (!lk_boot_opens(dev, pkt, length, &boot)) return 0;
    for (__u32 i = 0; i < boot.length; i++)
        boot.datagram[i] = frame[pkt->l4_off + i];
    return lk_boot_named(&boot);
}

struct lk_native_answer lk_native_judge(const struct lk_native_maps *maps, const struct lk_dev *dev,
                                        const struct lk_native_sender *sender, const void *frame,
                                        __u32 length) {
    struct lk_native_answer none = {.verdict = LK_DROP, .reason = LK_NO_POLICY};
    if (!dev) return none;
    maps_of_call = maps;

    const __u8 *bytes = frame;
    struct lk_pkt pkt = {};
    lk_parse(&pkt, bytes, bytes + length, length, dev->flags & LK_DEV_L3);
    struct lk_sender from = {
        .fwmark = sender->fwmark, .vpn_daemon = sender->vpn_daemon, .forwarded = sender->forwarded};
    struct lk_answer answer = lk_decide(dev, &pkt, &from, maps->now_ns);
    if (lk_may_bootstrap(dev, answer.reason) && bootstraps(dev, &pkt, bytes, length))
        answer = LK_ANSWER(LK_PASS, LK_BOOTSTRAP_DNS);
    if (lk_may_serve(dev, answer.reason) && serves(dev, &pkt, bytes)) answer = LK_ANSWER(LK_PASS, LK_SERVED);
    if (lk_opens_fragments(&pkt, answer)) {
        struct lk_frag_key key;
        struct lk_frag first = {.expires_ns = maps->now_ns + LK_FRAG_LIFE_NS, .reason = answer.reason};
        lk_frag_key_of(&dev->policy, &pkt, &key);
        maps->frag_put(maps->self, &key, &first);
    }
    struct lk_native_answer told = {.verdict = answer.verdict, .reason = answer.reason};
    return told;
}
