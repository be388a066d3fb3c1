// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/*
 * Programs on hooks of the security modules, which run where `bpf` is in the kernel's list of active ones:
 * who may make packet sockets at all (only where the policy asks for it), and that nobody but leakbpf takes
 * the filter's links off.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "kernel.h"
#include "lookup.h"
#include "tell.h"

#define LK_AF_PACKET 17
#define LK_AF_XDP    44
#define LK_EPERM     1

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct lk_guard);
} lk_guard SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 64);
    __type(key, struct lk_maker);
    __type(value, __u32);
} lk_makers SEC(".maps");

/*
 * Does the process run an executable of this name that belongs to root and that nobody else may write? A
 * process cannot change that of itself, as it can its command name.
 */
static __always_inline int lk_is_maker(const struct task_struct *task) {
    const struct file *exe = BPF_CORE_READ(task, mm, exe_file);
    const struct inode *inode = BPF_CORE_READ(exe, f_inode);
    if (!inode || BPF_CORE_READ(inode, i_uid.val) != 0 || (BPF_CORE_READ(inode, i_mode) & 022)) return 0;
    struct lk_maker key = {};
    const unsigned char *name = BPF_CORE_READ(exe, f_path.dentry, d_name.name);
    if (bpf_probe_read_kernel_str(key.name, sizeof(key.name), name) < 0) return 0;
    return bpf_map_lookup_elem(&lk_makers, &key) != NULL;
}

static __always_inline void lk_tell_refusal(void) {
    lk_tally(LK_HOOK_LSM, LK_BYPASS, 1, 0);
    lk_tell_caller(LK_HOOK_LSM);
}

/* Answers are constants in branches of their own: since 6.12 the verifier wants their range proven. */
SEC("lsm/socket_create")
int lk_make_socket(const __u64 *ctx) { /* family, type, protocol, by the kernel */
    const int family = (int)ctx[0], kern = (int)ctx[3];
    if (kern || (family != LK_AF_PACKET && family != LK_AF_XDP)) return 0;
    const struct lk_host *host = lk_find_host();
    if (!host || !(host->policy.flags & LK_POLICY_LOCK_SOCKETS)) return 0;
    const struct task_struct *task = (const void *)bpf_get_current_task();
    if (host->netns_cookie != lk_cookie_of(BPF_CORE_READ(task, nsproxy, net_ns))) return 0;
    if (lk_is_maker(task)) return 0;
    lk_tell_refusal();
    return -LK_EPERM;
}

/* The leakbpf that holds the lock, by its number in its own pid namespace. */
static __always_inline int lk_is_keeper(const struct lk_guard *guard) {
    const struct task_struct *task = (const void *)bpf_get_current_task();
    const struct pid *pid = BPF_CORE_READ(task, group_leader, thread_pid);
    const void *innermost = (const void *)__builtin_preserve_access_index(&pid->numbers[0]);
    innermost += BPF_CORE_READ(pid, level) * bpf_core_type_size(struct upid);
    const struct upid *number = innermost;
    return guard->keeper_pid && (__u32)BPF_CORE_READ(number, nr) == guard->keeper_pid &&
           BPF_CORE_READ(number, ns, ns.inum) == guard->keeper_pidns;
}

/* What is behind a descriptor of the caller; junk for one that is no BPF link, which bpf() refuses itself. */
static __always_inline const void *lk_behind(__u32 fd) {
    const struct task_struct *task = (const void *)bpf_get_current_task();
    const struct fdtable *table = BPF_CORE_READ(task, files, fdt);
    if (fd >= BPF_CORE_READ(table, max_fds)) return NULL;
    const struct file *file = NULL;
    bpf_probe_read_kernel(&file, sizeof(file), BPF_CORE_READ(table, fd) + fd);
    return BPF_CORE_READ(file, private_data);
}

static __always_inline int lk_is_ours(const struct lk_guard *guard, __u32 program) {
    for (__u32 i = 0; i < LK_GUARD_PROGRAMS; i++) {
        if (i >= guard->n_programs) break;
        if (guard->programs[i] == program) return 1;
    }
    return 0;
}

SEC("lsm/bpf")
int lk_bpf_command(const __u64 *ctx) { /* command, attributes, their size */
    const int command = (int)ctx[0];
    const union bpf_attr *attr = (const void *)ctx[1];
    if (command != BPF_LINK_DETACH && command != BPF_LINK_UPDATE && command != BPF_PROG_DETACH) return 0;
    __u32 zero = 0, fd = 0, program = 0;
    const struct lk_guard *guard = bpf_map_lookup_elem(&lk_guard, &zero);
    if (!guard) return 0;
    if (command == BPF_PROG_DETACH) {
        bpf_probe_read_kernel(&fd, sizeof(fd), &attr->attach_bpf_fd);
        const struct bpf_prog *behind = lk_behind(fd);
        program = BPF_CORE_READ(behind, aux, id);
    } else { /* the descriptor is the first field of both */
        bpf_probe_read_kernel(&fd, sizeof(fd), &attr->link_update.link_fd);
        const struct bpf_link *behind = lk_behind(fd);
        program = BPF_CORE_READ(behind, prog, aux, id);
    }
    if (!program || !lk_is_ours(guard, program) || lk_is_keeper(guard)) return 0;
    lk_tell_refusal();
    return -LK_EPERM;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
