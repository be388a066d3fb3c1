/* SPDX-License-Identifier: MIT */
#include "netns/dns_bucket.h"

#include "nat.h"

unsigned lk_dns_bucket(const struct lk_nat_flow *flow, __u8 proto) {
    return lk_nat_bucket_index(proto, lk_nat_tag(flow));
}
