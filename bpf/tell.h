/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* Counting and telling: counters per hook and reason, and the rate limits of all that is sent or told. */
#ifndef LEAKBPF_BPF_TELL_H
#define LEAKBPF_BPF_TELL_H

#include "maps.h"

/* Events in one window of LK_LIMIT_WINDOW_NS on one CPU. */
#define LK_EVENTS_PER_WINDOW 200

static __always_inline void lk_tally(enum lk_hook hook, __u8 reason, __u64 packets, __u64 bytes) {
    __u32 index = hook * LK_REASONS + reason;
    struct lk_count *count = bpf_map_lookup_elem(&lk_counts, &index);
    if (!count) return;
    count->packets += packets;
    count->bytes += bytes;
}

/*
 * One more in this CPU's window? What is not allowed is counted as suppressed. The clock is asked only when a
 * window is full, and then once in a jiffy: read for each packet it costs more than all the rest of a
 * refusal.
 */
static __always_inline int lk_within_limit(enum lk_limit_kind kind, __u64 per_window) {
    __u32 index = kind;
    struct lk_limit *limit = bpf_map_lookup_elem(&lk_limits, &index);
    if (!limit) return 0;
    if (limit->used >= per_window) {
        __u64 jiffies = bpf_jiffies64(), now_ns;
        if (jiffies == limit->checked) goto suppress;
        limit->checked = jiffies;
        now_ns = bpf_ktime_get_ns();
        if (now_ns - limit->window_start_ns < LK_LIMIT_WINDOW_NS) goto suppress;
        limit->window_start_ns = now_ns;
        limit->used = 0;
    }
    limit->used++;
    return 1;
suppress:
    limit->suppressed++;
    return 0;
}

/* A zeroed record with the time set, or NULL (over the limit or the ring is full): counted as suppressed. */
static __always_inline struct lk_event *lk_event_begin(void) {
    if (!lk_within_limit(LK_LIMIT_EVENT, LK_EVENTS_PER_WINDOW)) return NULL;
    struct lk_event *event = bpf_ringbuf_reserve(&lk_events, sizeof(*event), 0);
    if (!event) {
        __u32 index = LK_LIMIT_EVENT;
        struct lk_limit *limit = bpf_map_lookup_elem(&lk_limits, &index);
        if (limit) limit->suppressed++;
        return NULL;
    }
    __builtin_memset(event, 0, sizeof(*event));
    event->time_ns = bpf_ktime_get_ns();
    return event;
}

/* Tells that what the running process asked for was refused as a bypass. */
static __always_inline void lk_tell_caller(enum lk_hook hook) {
    struct lk_event *event = lk_event_begin();
    if (!event) return;
    event->hook = hook;
    event->verdict = LK_REFUSE;
    event->reason = LK_BYPASS;
    event->flags = LK_EVENT_UID;
    event->uid = (__u32)bpf_get_current_uid_gid();
    event->cgroup_id = bpf_get_current_cgroup_id();
    event->pid = bpf_get_current_pid_tgid() >> 32;
    bpf_get_current_comm(event->comm, sizeof(event->comm));
    bpf_ringbuf_submit(event, 0);
}

#endif
