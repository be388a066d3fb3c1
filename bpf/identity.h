/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * Who sends: the mark that the kernel wrote into a socket's storage when the socket was made in our network
 * namespace. The uid helper is never asked: it maps into the socket's own user namespace.
 */
#ifndef LEAKBPF_BPF_IDENTITY_H
#define LEAKBPF_BPF_IDENTITY_H

#include "daemon.h"
#include "maps.h"

/* Accepted sockets take their listener's mark with them (BPF_F_CLONE). */
struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
    __type(key, int);
    __type(value, struct lk_mark);
} lk_marks SEC(".maps");

#endif
