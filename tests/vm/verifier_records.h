// SPDX-License-Identifier: MIT
// What is recorded of the verifier's work, and how much of it is too much.
#pragma once

#include <istream>
#include <map>
#include <string>
#include <utility>

namespace lk::vm {

using Version = std::pair<int, int>; // 5.10

class Records {
  public:
    // Lines KERNEL CLANG OBJECT PROGRAM INSTRUCTIONS, or KERNEL CLANG OBJECT - refused. Of CLANG alone.
    Records(std::istream &lines, const std::string &clang);

    // KERNEL refused OBJECT, which leakbpf does without there.
    bool refused(Version kernel, const std::string &object) const;
    bool has(Version kernel) const { return by_kernel_.contains(kernel); }
    bool empty() const { return by_kernel_.empty(); }

    struct Limit {
        long instructions = 0; // 0: nothing is recorded
        std::string of;        // "5.10 and 6.1"
    };
    // A tenth above what is recorded for KERNEL; where that is nothing at all, or that it refuses the object,
    // two thirds above the larger of its neighbours: those that are recorded are up to a half above theirs.
    // Of no kernel of this compiler: half of the million that kernels walk through.
    Limit limit(Version kernel, const std::string &program) const;

  private:
    std::map<Version, std::map<std::string, long>> by_kernel_; // by "OBJECT PROGRAM"
};

} // namespace lk::vm
