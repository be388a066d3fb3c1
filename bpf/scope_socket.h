/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* A packet's socket, for programs that ask whose it is. */
#ifndef LEAKBPF_BPF_SCOPE_SOCKET_H
#define LEAKBPF_BPF_SCOPE_SOCKET_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

/* The socket whose storage counts: the packet's own, or a SYN-ACK's listener. */
static __always_inline struct bpf_sock *lk_whole_socket(struct __sk_buff *skb) {
    struct bpf_sock *sk = skb->sk;
    if (!sk) return NULL;
    struct bpf_sock *full = bpf_sk_fullsock(sk);
    return full ? full : bpf_get_listener_sock(sk);
}

#endif
