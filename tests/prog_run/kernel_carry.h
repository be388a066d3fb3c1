// SPDX-License-Identifier: MIT
// bpf/carry.h in the kernel, by BPF_PROG_TEST_RUN. Attaches nothing and pins nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "prog_run/carry_test.h"

namespace lk {

class KernelCarry {
  public:
    KernelCarry(); // throws with the reason if the object does not load
    ~KernelCarry();
    struct Outcome {
        int code; // enum lk_carried, or -1
        std::vector<std::uint8_t> frame;
    };
    Outcome query(const lk_carry_test &test, std::span<const std::uint8_t> frame);
    Outcome answer(const lk_carry_test &test, std::span<const std::uint8_t> frame);

  private:
    struct Object;
    std::unique_ptr<Object> object_;
    Outcome run(int program, const lk_carry_test &test, std::span<const std::uint8_t> frame);
};

} // namespace lk
