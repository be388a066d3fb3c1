// SPDX-License-Identifier: MIT
// The path of a cgroup by its id, for people who read events.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace lk {

class CgroupPaths {
  public:
    // ROOT: a directory of the cgroup2 hierarchy, which shows the tree that paths are relative to.
    explicit CgroupPaths(std::string root) : root_(std::move(root)) {}
    // "/system.slice/ssh.service"; none if the cgroup is gone or outside of ROOT.
    std::optional<std::string> of(std::uint64_t id);

  private:
    std::string root_;
    std::map<std::uint64_t, std::string> known_; // ids are never used twice
};

} // namespace lk
