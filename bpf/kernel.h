/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * The few kernel structures that the programs on security hooks read, with nothing in them but what is read:
 * the loader finds the real offsets in the running kernel's BTF. Only objects that are loaded where there is
 * BTF may include this.
 */
#ifndef LEAKBPF_BPF_KERNEL_H
#define LEAKBPF_BPF_KERNEL_H

#include <linux/types.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "kernel_cookie.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
    struct net *net;
} possible_net_t;

struct ns_common {
    unsigned int inum;
};

struct sock_common {
    possible_net_t skc_net;
};

struct sock {
    struct sock_common __sk_common;
};

struct socket {
    struct sock *sk;
};

struct nsproxy {
    struct net *net_ns;
};

struct pid_namespace {
    struct ns_common ns;
};

struct upid {
    int nr;
    struct pid_namespace *ns;
};

struct pid {
    unsigned int level;
    struct upid numbers[1];
};

struct qstr {
    const unsigned char *name;
};

struct dentry {
    struct qstr d_name;
};

struct path {
    struct dentry *dentry;
};

typedef struct {
    unsigned int val;
} kuid_t;

struct inode {
    unsigned short i_mode;
    kuid_t i_uid;
};

struct file {
    struct path f_path;
    struct inode *f_inode;
    void *private_data;
};

struct fdtable {
    unsigned int max_fds;
    struct file **fd;
};

struct files_struct {
    struct fdtable *fdt;
};

struct mm_struct {
    struct file *exe_file;
};

struct thread_info {
    __u32 status;
};

struct task_struct {
    struct thread_info thread_info;
    struct mm_struct *mm;
    struct nsproxy *nsproxy;
    struct files_struct *files;
    struct task_struct *group_leader;
    struct pid *thread_pid;
    void *stack;
};

struct bpf_prog_aux {
    unsigned int id;
};

struct bpf_prog {
    struct bpf_prog_aux *aux;
};

struct bpf_link {
    struct bpf_prog *prog;
};

/* x86-64. */
struct pt_regs {
    unsigned long ax;
    unsigned long orig_ax;
};

#pragma clang attribute pop

extern int LINUX_KERNEL_VERSION __kconfig;

#endif
