// SPDX-License-Identifier: MIT
// The first process of a container, with no library and no start-up code: its first system calls make and use
// its sockets. Its exit status has a bit for each of the destinations below that took the datagram. With an
// argument it stays instead.
#include <asm/unistd.h>
#include <linux/in.h>
#include <linux/in6.h>

enum { ipv4 = 2, ipv6 = 10, datagrams = 2 };

#define BE16(value) __builtin_bswap16(value)
#define V4(address, port)                                                                                    \
    {                                                                                                        \
        .v4 = {.sin_family = ipv4, .sin_port = BE16(port), .sin_addr = {__builtin_bswap32(address)} }        \
    }

// cgroup_oci_test.cpp has the same ones, in the same order.
static const union {
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} destinations[] = {
    V4(0xcb007109, 4000), // 203.0.113.9, of nobody's policy
    V4(0xc6336407, 4000), // 198.51.100.7, a gateway
    V4(0xc6336408, 4000), // 198.51.100.8, another container's
    V4(0x0a09004d, 4000), // 10.9.0.77, a LAN
    V4(0x0a090001, 4000), // 10.9.0.1, another container's
    V4(0x09090909, 53),   // a public resolver
    {.v6 = {.sin6_family = ipv6,
            .sin6_port = BE16(4000),
            .sin6_addr = {{.u6_addr8 = {0x20, 0x01, 0x0d, 0xb8, 0, 0x0f, [15] = 9}}}}}, // 2001:db8:f::9
};

static const char query[] = "\x12\x34\x01\0\0\1\0\0\0\0\0\0\1a\4test\0\0\1\0\1"; // a.test, A, IN
enum { query_bytes = sizeof(query) - 1 };
_Static_assert(query_bytes == 24, "a header, a name of eight bytes, type and class");

static long call(long number, long a, long b, long c, long d, long e, long f) {
#if defined(__x86_64__)
    register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "+a"(number)
                     : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return number;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c,
                     x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
#else
#error "how does this machine make system calls?"
#endif
}

__attribute__((noreturn, used)) static void begin(long words) {
    long status = 0;
    for (unsigned long index = 0; index < sizeof(destinations) / sizeof(*destinations); index++) {
        const int family = destinations[index].v4.sin_family;
        const unsigned long length =
            family == ipv4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
        const long fd = call(__NR_socket, family, datagrams, 0, 0, 0, 0);
        const long sent =
            call(__NR_sendto, fd, (long)query, query_bytes, 0, (long)&destinations[index], (long)length);
        if (sent == query_bytes) status |= 1L << index;
    }
    while (words > 1)
        call(__NR_ppoll, 0, 0, 0, 0, 0, 0);
    for (;;)
        call(__NR_exit_group, status, 0, 0, 0, 0, 0);
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n\tmov (%rsp), %rdi\n\tand $-16, %rsp\n\tcall begin\n");
#else
__asm__(".globl _start\n_start:\n\tldr x0, [sp]\n\tbl begin\n");
#endif
