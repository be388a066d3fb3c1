// SPDX-License-Identifier: MIT
// A link on each cgroup that has a policy, of a program that does nothing. The kernel takes it off the cgroup
// when that was removed and the last socket that was made in it or below it is gone, which nothing else tells
// so exactly: pages in the page cache may hold a removed cgroup for ever. Private to this room.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "kernel/pins.h"
#include "kernel/programs.h"

namespace lk {

class ScopeTokens {
  public:
    explicit ScopeTokens(const Pins &pins) : directory_(pins.dir + "/tokens") {}

    // Without one, as where somebody else's program forbids it, there is another way to know (scope_state).
    void put(const std::string &root, const std::string &path, std::uint64_t cgroup_id) const;
    // Of a cgroup that was removed: whether no socket of it can be left. None: it has no token.
    std::optional<bool> spent(std::uint64_t cgroup_id) const;
    Result<void> remove(std::uint64_t cgroup_id) const;
    Result<void> keep_only(const std::function<bool(std::uint64_t cgroup_id)> &kept) const;

  private:
    std::string pin(std::uint64_t cgroup_id) const;
    Result<Program> program() const;
    std::string directory_;
};

} // namespace lk
