// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/*
 * The guard of cgroup/setsockopt for the callers that the kernel does not show to it: 32-bit system calls,
 * and io_uring of a 32-bit process. The function that asks the security modules sees every caller, but not
 * the value: so what the other guard sees is left to it, and of the rest the option is refused as such.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "kernel.h"
#include "lookup.h"
#include "tell.h"

#define LK_SOL_PACKET          263
#define LK_PACKET_QDISC_BYPASS 20
#define LK_SOL_XDP             283

#define LK_TASK_PT_REGS  (5 << 16 | 15 << 8) /* helpers bpf_task_pt_regs and bpf_get_current_task_btf */
#define LK_STACK_BYTES   16384               /* of x86-64, without KASAN */
#define LK_TS_COMPAT     2
#define LK_NR_SETSOCKOPT 54
#define LK_ENOSYS        38
#define LK_EPERM         1

/*
 * In the very system call that cgroup/setsockopt is asked for: the native one (another number, or a 32-bit
 * call, is not it), and still inside of it (ax is this until the call returns; io_uring may run requests on
 * its way out). On machines other than x86-64 this cannot be told: 0.
 */
static __always_inline int lk_in_native_setsockopt(void) {
    const struct task_struct *task = (const void *)bpf_get_current_task();
    if (!bpf_core_field_exists(task->thread_info.status)) return 0;
    const struct pt_regs *regs = NULL;
    if (LINUX_KERNEL_VERSION >= LK_TASK_PT_REGS)
        regs = (const void *)bpf_task_pt_regs(bpf_get_current_task_btf());
    else
        regs = BPF_CORE_READ(task, stack) + LK_STACK_BYTES - bpf_core_type_size(struct pt_regs);
    return !(BPF_CORE_READ(task, thread_info.status) & LK_TS_COMPAT) &&
           BPF_CORE_READ(regs, orig_ax) == LK_NR_SETSOCKOPT &&
           BPF_CORE_READ(regs, ax) == (unsigned long)-LK_ENOSYS;
}

SEC("fmod_ret/security_socket_setsockopt")
int lk_compat_guard(const __u64 *ctx) { /* socket, level, optname, the answer so far */
    const struct socket *socket = (const void *)ctx[0];
    const int level = (int)ctx[1], optname = (int)ctx[2], ret = (int)ctx[3];
    if (level != LK_SOL_XDP && (level != LK_SOL_PACKET || optname != LK_PACKET_QDISC_BYPASS)) return ret;
    const struct lk_host *host = lk_find_host();
    if (!host || host->netns_cookie != lk_cookie_of(BPF_CORE_READ(socket, sk, __sk_common.skc_net.net)))
        return ret;
    if (ret || lk_in_native_setsockopt()) return ret;

    lk_tally(LK_HOOK_SETSOCKOPT, LK_BYPASS, 1, 0);
    lk_tell_caller(LK_HOOK_SETSOCKOPT);
    return -LK_EPERM;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
