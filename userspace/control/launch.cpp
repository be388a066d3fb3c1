// SPDX-License-Identifier: MIT
#include "control/launch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/fd.h"
#include "base/text.h"
#include "control/cgroups.h"
#include "control/held.h"

namespace lk {

namespace {

constexpr std::chrono::milliseconds settle_limit{500};
constexpr int cannot_enter = 125, cannot_execute = 126, not_found = 127; // as env(1) and others have it
constexpr std::array handed_on{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCONT, SIGWINCH};

Error call_error(const std::string &what) {
    return failure(fmt::format("{}: {}", what, std::strerror(errno)));
}

// A cgroup that is gone with the object, if nothing is in it.
class OwnCgroup {
  public:
    explicit OwnCgroup(std::string directory) : directory_(std::move(directory)) {}
    OwnCgroup(const OwnCgroup &) = delete;
    OwnCgroup &operator=(const OwnCgroup &) = delete;
    ~OwnCgroup() { remove(); }
    const std::string &directory() const { return directory_; }
    Result<void> make() {
        if (::mkdir(directory_.c_str(), 0755) != 0)
            return call_error("cannot make the cgroup " + quote(directory_));
        mine_ = true;
        return {};
    }
    void keep() { mine_ = false; }
    // What ended leaves its cgroup a moment later.
    bool remove() {
        const auto deadline = std::chrono::steady_clock::now() + settle_limit;
        while (mine_ && ::rmdir(directory_.c_str()) != 0) {
            if (errno == ENOENT) break;
            if (errno != EBUSY || populated() || std::chrono::steady_clock::now() > deadline) return false;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        mine_ = false;
        return true;
    }

  private:
    bool populated() const {
        const Fd procs(::open((directory_ + "/cgroup.procs").c_str(), O_RDONLY | O_CLOEXEC));
        char byte = 0;
        return procs && ::read(procs.get(), &byte, 1) == 1;
    }
    std::string directory_;
    bool mine_ = false;
};

// In the child: between fork and exec.
[[noreturn]] void become(const LaunchRequest &request, int procs, const sigset_t &mask) {
    if (::write(procs, "0", 1) != 1) {
        const int number = errno;
        ::dprintf(2, "leakbpf: cannot enter the cgroup that was made for the command: %s\n",
                  std::strerror(number));
        ::_exit(cannot_enter);
    }
    ::sigprocmask(SIG_SETMASK, &mask, nullptr);
    std::vector<char *> words;
    for (const std::string &word : request.command)
        words.push_back(const_cast<char *>(word.c_str()));
    words.push_back(nullptr);
    ::execvp(words[0], words.data());
    const int number = errno;
    ::dprintf(2, "leakbpf: cannot run %s: %s\n", words[0], std::strerror(number));
    ::_exit(number == ENOENT ? not_found : cannot_execute);
}

// Until the child has ended. What the terminal sends goes to its whole process group by itself.
int attend(pid_t child, const sigset_t &awaited) {
    for (;;) {
        siginfo_t info{};
        const int number = ::sigwaitinfo(&awaited, &info);
        if (number < 0) continue;
        if (number != SIGCHLD) {
            if (info.si_code != SI_KERNEL) ::kill(child, number);
            continue;
        }
        int status = 0;
        if (::waitpid(child, &status, WNOHANG) != child) continue;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
}

// Sockets of the command may live on for a moment, such as one that still sends what was written to it. The
// kernel counts them by the cgroup that was removed.
bool await_sockets(const std::string &directory) {
    const auto deadline = std::chrono::steady_clock::now() + settle_limit;
    while (std::chrono::steady_clock::now() < deadline) {
        std::ifstream file(directory + "/cgroup.stat");
        std::string name;
        std::uint64_t count = 0;
        while (file >> name >> count)
            if (name == "nr_dying_descendants" && count == 0) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return false;
}

// SPENT: no socket of it is left. Otherwise its policy goes with a later attach.
Result<void> take_off(const ScopePlace &place, std::uint64_t cgroup_id, bool spent) {
    const Result<Lock> lock = lock_scopes(place, lock_limit);
    if (!lock) return lock.error();
    bool last = false;
    {
        Result<std::optional<ScopeState>> state = ScopeState::find(place);
        if (!state) return state.error();
        if (!*state) return {};
        if (Result<void> done = spent ? (*state)->remove({cgroup_id}) : (*state)->tidy_one(cgroup_id); !done)
            return done;
        last = (*state)->empty();
    }
    return last ? ScopeState::remove_all(place) : Result<void>();
}

} // namespace

Result<std::string> parse_unit_name(const std::string &word) {
    constexpr std::string_view good = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_-.@";
    if (word.empty() || word.size() > 200 || word.front() == '.' || word.starts_with("cgroup.") ||
        word.find_first_not_of(good) != word.npos)
        return bad_input(fmt::format("{} is no name for a unit: expected letters, digits and : _ - . @, such "
                                     "as browser.scope",
                                     quote(word)));
    return word;
}

Result<Launched> launch(const ScopePlace &place, const LaunchRequest &request) {
    const Result<std::string> here = cgroup_of_process(place.cgroup_root, static_cast<int>(::getpid()));
    if (!here) return here.error();
    const auto name = request.unit.value_or(fmt::format("leakbpf-run-{}.scope", ::getpid()));
    const auto path = (std::filesystem::path(*here) / name).string();
    const auto directory = (std::filesystem::path(place.cgroup_root) / path).string();
    // The command is in a cgroup below the one that has the policy: that one tells when the last socket is
    // gone.
    OwnCgroup outer(directory), inner(directory + "/command");
    for (OwnCgroup *cgroup : {&outer, &inner})
        if (Result<void> made = cgroup->make(); !made) return made.error();
    const Fd procs(::open((inner.directory() + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    if (!procs) return call_error("cannot open the cgroup " + quote(path));
    struct stat st {};
    if (::stat(directory.c_str(), &st) != 0) return call_error("cannot read the cgroup " + quote(path));

    if (const auto attached = attach_cgroups(place, {directory}, request.policy); !attached)
        return attached.error();
    sigset_t awaited, before;
    ::sigemptyset(&awaited);
    ::sigaddset(&awaited, SIGCHLD);
    for (const int number : handed_on)
        ::sigaddset(&awaited, number);
    ::sigprocmask(SIG_BLOCK, &awaited, &before);
    const pid_t child = ::fork();
    if (child == 0) become(request, procs.get(), before);
    Launched launched;
    std::optional<Error> error;
    if (child < 0)
        error = call_error("cannot start a process");
    else
        launched.status = attend(child, awaited);
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    if (!inner.remove()) {
        launched.left = path;
        outer.keep();
        return launched;
    }
    const bool spent = await_sockets(directory);
    outer.remove();
    if (const Result<void> done = take_off(place, st.st_ino, spent); !done && !error) error = done.error();
    if (error) return *error;
    return launched;
}

} // namespace lk
