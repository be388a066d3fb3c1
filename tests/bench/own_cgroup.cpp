// SPDX-License-Identifier: MIT
#include "bench/own_cgroup.h"

#include <sys/stat.h>

#include <cerrno>

#include "harness/must.h"
#include "harness/process.h"
#include "harness/sandbox.h"

namespace lk::bench {

using harness::must;
using harness::Sandbox;

// It may be there: worlds of one name come one after the other, and the sandbox removes them all.
OwnCgroup::OwnCgroup(const std::string &name) : path_(Sandbox::current().cgroup_root() + "/" + name) {
    must(mkdir(path_.c_str(), 0755) == 0 || errno == EEXIST, path_);
}

std::vector<std::string> OwnCgroup::leakbpf(const std::vector<std::string> &words) const {
    std::vector<std::string> argv{harness::leakbpf_binary(), "--bpffs", Sandbox::current().bpffs(),
                                  "--cgroup-root", path_};
    argv.insert(argv.end(), words.begin(), words.end());
    return argv;
}

} // namespace lk::bench
