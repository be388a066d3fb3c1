/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* Protocol numbers as IANA has them, with names of our own so that no libc header is needed. */
#ifndef LEAKBPF_BPF_PROTO_H
#define LEAKBPF_BPF_PROTO_H

#define LK_PROTO_HOPOPTS  0
#define LK_PROTO_ICMP     1
#define LK_PROTO_IGMP     2
#define LK_PROTO_TCP      6
#define LK_PROTO_UDP      17
#define LK_PROTO_DCCP     33
#define LK_PROTO_ROUTING  43
#define LK_PROTO_FRAGMENT 44
#define LK_PROTO_ESP      50
#define LK_PROTO_AH       51
#define LK_PROTO_ICMPV6   58
#define LK_PROTO_DSTOPTS  60
#define LK_PROTO_SCTP     132
#define LK_PROTO_MOBILITY 135
#define LK_PROTO_UDPLITE  136
#define LK_PROTO_HIP      139
#define LK_PROTO_SHIM6    140

#define LK_ICMPV6_MLD_REPORT  131
#define LK_ICMPV6_MLD_DONE    132
#define LK_ICMPV6_RS          133
#define LK_ICMPV6_RA          134
#define LK_ICMPV6_NS          135
#define LK_ICMPV6_NA          136
#define LK_ICMPV6_MLD2_REPORT 143

#endif
