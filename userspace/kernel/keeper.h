// SPDX-License-Identifier: MIT
// Who may change the filter's links where a security hook keeps everybody from it.
#pragma once

#include "base/fd.h"
#include "kernel/pins.h"

namespace lk {

constexpr const char *guard_map_name = "lk_guard";

// While it lives, this process may. Under the Lock, so that there is one at a time. Nothing where there is no
// such hook.
class Keeper {
  public:
    explicit Keeper(const Pins &pins);
    explicit Keeper(Fd map); // of that name, found otherwise
    Keeper(Keeper &&) noexcept = default;
    Keeper &operator=(Keeper &&) = delete;
    ~Keeper();

  private:
    Fd map_;
};

} // namespace lk
