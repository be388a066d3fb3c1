// SPDX-License-Identifier: MIT
// A control group of one subject in the sandbox's, so that leakbpf's socket hooks see nobody else's sockets.
#pragma once

#include <string>
#include <vector>

namespace lk::bench {

class OwnCgroup {
  public:
    explicit OwnCgroup(const std::string &name);
    const std::string &path() const { return path_; }
    // A whole leakbpf command, whose socket hooks attach here.
    std::vector<std::string> leakbpf(const std::vector<std::string> &words) const;

  private:
    std::string path_;
};

} // namespace lk::bench
