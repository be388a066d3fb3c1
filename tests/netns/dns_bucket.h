/* SPDX-License-Identifier: MIT */
/* Where a flow's hash puts it, by bpf/nat.h itself; C and C++. */
#ifndef LEAKBPF_TESTS_DNS_BUCKET_H
#define LEAKBPF_TESTS_DNS_BUCKET_H

#include "leakbpf/abi.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The bucket of a flow with this asker, asker_port, server, ifindex, resolver and tunnel. PROTO: IPPROTO_UDP
 * or IPPROTO_TCP. */
unsigned lk_dns_bucket(const struct lk_nat_flow *flow, __u8 proto);

#ifdef __cplusplus
}
#endif

#endif
