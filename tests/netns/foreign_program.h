// SPDX-License-Identifier: MIT
// Programs of others on an uplink.
#pragma once

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include <stdexcept>

#include "base/fd.h"

namespace lk::harness {

// A program that answers VERDICT to everything.
inline Fd foreign_program(int verdict, bpf_prog_type type = BPF_PROG_TYPE_SCHED_CLS) {
    const bpf_insn code[] = {
        {BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, verdict},
        {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
    };
    Fd fd{bpf_prog_load(type, "foreign", "GPL", code, 2, nullptr)};
    if (!fd) throw std::runtime_error("the foreign program does not load");
    return fd;
}

} // namespace lk::harness
