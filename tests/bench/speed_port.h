/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* Where the datagrams of bench_speed go; also a port that Mullvad's relays take. */
#ifndef LEAKBPF_BENCH_SPEED_PORT_H
#define LEAKBPF_BENCH_SPEED_PORT_H

#define LK_SPEED_PORT 51820

#endif
