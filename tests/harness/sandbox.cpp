// SPDX-License-Identifier: MIT
#include "harness/sandbox.h"

#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <vector>

#include <fmt/format.h>

#include "base/fd.h"
#include "harness/netns.h"

namespace lk::harness {

Sandbox *Sandbox::current_ = nullptr;

namespace {

struct Mount {
    std::string root, point, type;
};

std::vector<Mount> mounts() {
    std::vector<Mount> found;
    std::ifstream file("/proc/self/mountinfo");
    for (std::string line; std::getline(file, line);) {
        std::istringstream words(line);
        std::string id, parent, device, word;
        Mount mount;
        words >> id >> parent >> device >> mount.root >> mount.point;
        while (words >> word && word != "-") {
        }
        words >> mount.type;
        found.push_back(mount);
    }
    return found;
}

void check(bool good, const char *what) {
    if (!good) throw std::runtime_error(fmt::format("sandbox: {}: {}", what, strerror(errno)));
}

std::vector<std::string> subdirectories(const std::string &path) {
    std::vector<std::string> names;
    std::unique_ptr<DIR, int (*)(DIR *)> dir(opendir(path.c_str()), closedir);
    if (!dir) return names;
    while (const dirent *entry = readdir(dir.get()))
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.') names.emplace_back(entry->d_name);
    return names;
}

bool remove_cgroup(const std::string &path) {
    for (const std::string &name : subdirectories(path))
        remove_cgroup(path + "/" + name);
    return rmdir(path.c_str()) == 0 || errno == ENOENT;
}

// Killed processes leave their cgroup a moment after they were reaped.
void remove_cgroup_patiently(const std::string &path) {
    for (int turn = 0; turn < 200 && !remove_cgroup(path); turn++)
        poll(nullptr, 0, 10);
}

volatile sig_atomic_t child_pid = 0;

void end_child(int) {
    if (child_pid > 0) kill(child_pid, SIGKILL);
}

int status_of(int status) {
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Pid 1 of the sandbox: reaps whatever is orphaned, ends with the test.
int reap_until(pid_t test) {
    for (;;) {
        int status = 0;
        pid_t pid = wait(&status);
        if (pid == test) return status_of(status);
        if (pid < 0 && errno != EINTR) return 125;
    }
}

} // namespace

std::string cgroup2_root() {
    for (const Mount &mount : mounts())
        if (mount.type == "cgroup2" && mount.root == "/") return mount.point;
    return "";
}

void remove_stale_cgroups(const std::string &root) {
    for (const std::string &name : subdirectories(root)) {
        size_t dash = name.rfind('-');
        if (name.rfind("lk-", 0) != 0 || dash < 3 || dash + 1 == name.size()) continue;
        if (name.find_first_not_of("0123456789", dash + 1) != std::string::npos) continue;
        pid_t pid = static_cast<pid_t>(std::strtol(name.c_str() + dash + 1, nullptr, 10));
        if (pid > 0 && kill(pid, 0) < 0 && errno == ESRCH) remove_cgroup(root + "/" + name);
    }
}

const Sandbox &Sandbox::current() {
    if (!current_) throw std::runtime_error("not inside a sandbox");
    return *current_;
}

void Sandbox::enter(const std::string &cgroup_dir) {
    struct stat netns {};
    check(stat("/proc/self/ns/net", &netns) == 0, "/proc/self/ns/net");
    outer_netns_ = netns.st_ino;

    Fd procs(open((cgroup_dir + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    check(procs && write(procs.get(), "0", 1) == 1, "entering the cgroup");
    check(unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWUTS) == 0,
          "unshare");
    check(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "private mounts");
    for (const Mount &mount : mounts())
        if (mount.type == "bpf" || mount.type == "cgroup" || mount.type == "cgroup2")
            umount2(mount.point.c_str(), MNT_DETACH);
    umount2("/sys", MNT_DETACH);
    check(mount("sysfs", "/sys", "sysfs", 0, nullptr) == 0, "sysfs");
    umount2("/proc", MNT_DETACH);
    check(mount("proc", "/proc", "proc", 0, nullptr) == 0, "proc");
    check(mount("lk-run", "/run", "tmpfs", 0, "mode=755") == 0, "tmpfs on /run");
    for (const std::string &dir : {dir_, bpffs_, cgroup_root_, std::string("/run/netns")})
        check(mkdir(dir.c_str(), 0755) == 0, dir.c_str());
    check(mount("lk-bpf", bpffs_.c_str(), "bpf", 0, "mode=700") == 0, "bpffs");
    check(mount("lk-cgroup", cgroup_root_.c_str(), "cgroup2", 0, nullptr) == 0, "cgroup2");
    bring_up("lo");
    current_ = this;
}

int Sandbox::run(const std::string &test, const std::function<int()> &body) {
    if (geteuid() != 0) {
        fmt::print("SKIPPED {}: needs root to make namespaces\n", test);
        return skipped;
    }
    std::string root = cgroup2_root();
    if (root.empty()) {
        fmt::print("SKIPPED {}: no cgroup2 is mounted\n", test);
        return skipped;
    }
    remove_stale_cgroups(root);
    std::string cgroup_dir = fmt::format("{}/lk-{}-{}", root, test, getpid());
    check(mkdir(cgroup_dir.c_str(), 0755) == 0, cgroup_dir.c_str());

    int alive[2];
    check(pipe2(alive, O_CLOEXEC) == 0, "pipe");
    check(unshare(CLONE_NEWPID) == 0, "unshare of the pid namespace");
    fflush(nullptr);
    pid_t init = fork();
    check(init >= 0, "fork");
    if (init == 0) {
        close(alive[1]);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pollfd orphaned{alive[0], 0, 0}; // the parent may have died before prctl
        if (poll(&orphaned, 1, 0) == 1) _exit(125);
        try {
            static Sandbox sandbox;
            sandbox.enter(cgroup_dir);
        } catch (const std::exception &error) {
            fmt::print(stderr, "{}\n", error.what());
            _exit(125);
        }
        pid_t child = fork();
        if (child == 0) exit(body());
        _exit(reap_until(child));
    }
    child_pid = init;
    for (int number : {SIGINT, SIGTERM, SIGHUP})
        signal(number, end_child);
    int status = 0;
    while (waitpid(init, &status, 0) < 0 && errno == EINTR) {
    }
    child_pid = 0;
    close(alive[0]);
    close(alive[1]);
    remove_cgroup_patiently(cgroup_dir);
    return status_of(status);
}

int Sandbox::run_program(const std::string &test, const std::function<int()> &body) {
    const auto told = [&test](const std::function<int()> &part) {
        try {
            return part();
        } catch (const std::exception &error) {
            fmt::print(stderr, "{}: {}\n", test, error.what());
            return 2;
        }
    };
    return told([&] { return run(test, [&] { return told(body); }); });
}

} // namespace lk::harness
