// SPDX-License-Identifier: MIT
#include "bench/own_cgroup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "harness/must.h"
#include "harness/process.h"
#include "harness/sandbox.h"

namespace lk::bench {

using harness::must;
using harness::Sandbox;

void enter_cgroup(const std::string &directory) {
    const Fd procs(open((directory + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    must(write(procs.get(), "0", 1) == 1, "entering " + directory);
}

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
