// SPDX-License-Identifier: MIT
// What the running kernel is, for tests of features that older ones lack. Every skip for it stands in
// tests/vm/expected, so that none can hide.
#pragma once

namespace lk::harness {

bool kernel_is_at_least(int major, int minor);

// Linux 6.6. Older ones have clsact alone.
inline bool kernel_has_tcx() {
    return kernel_is_at_least(6, 6);
}

} // namespace lk::harness
