// SPDX-License-Identifier: MIT
#include "control/launch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
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

// With those that were made below it. False: somebody is in one of them.
bool remove_cgroups(const std::filesystem::path &directory) {
    std::error_code error, ignored;
    for (std::filesystem::directory_iterator entry{directory, error}, end; !error && entry != end;
         entry.increment(error))
        if (entry->is_directory(ignored)) remove_cgroups(entry->path());
    return ::rmdir(directory.c_str()) == 0 || errno == ENOENT;
}

bool is_populated(const std::string &directory) {
    std::ifstream events(directory + "/cgroup.events");
    std::string name;
    for (int value = 0; events >> name >> value;)
        if (name == "populated") return value != 0;
    return false;
}

// A cgroup that is gone with the object, if nothing is in it.
class OwnCgroup {
  public:
    explicit OwnCgroup(std::string directory) : directory_(std::move(directory)) {}
    OwnCgroup(const OwnCgroup &) = delete;
    OwnCgroup &operator=(const OwnCgroup &) = delete;
    ~OwnCgroup() {
        if (mine_) remove();
    }
    // ANEW: in place of an empty one, such as a run that was killed leaves behind.
    Result<void> make(bool anew) {
        if (anew) ::rmdir(directory_.c_str());
        if (::mkdir(directory_.c_str(), 0755) != 0)
            return call_error("cannot make the cgroup " + quote(directory_));
        mine_ = true;
        return {};
    }
    // False: something lives in it. What ended leaves its cgroup a moment later.
    bool remove() {
        mine_ = false;
        const auto deadline = std::chrono::steady_clock::now() + settle_limit;
        while (!remove_cgroups(directory_)) {
            if (is_populated(directory_) || std::chrono::steady_clock::now() > deadline) return false;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return true;
    }

  private:
    std::string directory_;
    bool mine_ = false;
};

// Signals wait from here on, and come to the command.
class HeldSignals {
  public:
    HeldSignals() {
        ::sigemptyset(&awaited_);
        ::sigaddset(&awaited_, SIGCHLD);
        for (const int number : handed_on)
            ::sigaddset(&awaited_, number);
        ::signal(SIGCHLD, SIG_DFL); // who ignores it is never told of an end
        ::sigprocmask(SIG_BLOCK, &awaited_, &before_);
    }
    HeldSignals(const HeldSignals &) = delete;
    HeldSignals &operator=(const HeldSignals &) = delete;
    ~HeldSignals() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }
    const sigset_t &awaited() const { return awaited_; }
    const sigset_t &before() const { return before_; }

  private:
    sigset_t awaited_{}, before_{};
};

// In the child: between fork and exec. Whoever kills PARENT before the command is in its cgroup ends it: from
// then on the cgroup tells what is left of it.
[[noreturn]] void become(const LaunchRequest &request, pid_t parent, int procs, const sigset_t &mask) {
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != parent) ::_exit(cannot_enter);
    if (::write(procs, "0", 1) != 1) {
        const int number = errno;
        ::dprintf(2, "leakbpf: cannot enter the cgroup that was made for the command: %s\n",
                  std::strerror(number));
        ::_exit(cannot_enter);
    }
    ::prctl(PR_SET_PDEATHSIG, 0);
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

// Of a cgroup that was removed. Sockets of the command may live on for a moment, such as one that still sends
// what was written to it; the policy of longer ones goes with a later attach.
Result<void> take_off(const ScopePlace &place, std::uint64_t cgroup_id) {
    const auto deadline = std::chrono::steady_clock::now() + settle_limit;
    bool last = false;
    {
        const auto state = ScopeState::find(place);
        while (state && *state && (*state)->is_needed(cgroup_id) &&
               std::chrono::steady_clock::now() < deadline)
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    const Result<Lock> lock = lock_scopes(place, lock_limit);
    if (!lock) return lock.error();
    {
        Result<std::optional<ScopeState>> state = ScopeState::find(place);
        if (!state) return state.error();
        if (!*state) return {};
        if (Result<void> done = (*state)->tidy_one(cgroup_id); !done) return done;
        last = (*state)->empty();
    }
    return last ? ScopeState::remove_all(place.directory()) : Result<void>();
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

Result<Launched> launch(const ScopePlace &place, const LaunchRequest &request,
                        const std::function<void(const std::vector<std::string> &)> &tell) {
    const Result<std::string> here = cgroup_of_process(place.cgroup_root, static_cast<int>(::getpid()));
    if (!here) return here.error();
    const auto name = request.unit.value_or(fmt::format("leakbpf-run-{}.scope", ::getpid()));
    const auto path = (std::filesystem::path(*here) / name).string();
    const auto directory = (std::filesystem::path(place.cgroup_root) / path).string();
    const HeldSignals signals;
    OwnCgroup cgroup(directory);
    if (Result<void> made = cgroup.make(!request.unit); !made) return made.error();
    const Fd procs(::open((directory + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    if (!procs) return call_error("cannot open the cgroup " + quote(path));
    struct stat st {};
    if (::stat(directory.c_str(), &st) != 0) return call_error("cannot read the cgroup " + quote(path));

    const auto attached = attach_cgroups(place, {directory}, request.policy, Users::ours);
    if (!attached) return attached.error();
    tell(attached->notices);
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child == 0) become(request, parent, procs.get(), signals.before());
    const int number = errno;
    Launched launched;
    if (child > 0) launched.status = attend(child, signals.awaited());
    if (!cgroup.remove()) {
        launched.left = path;
        return launched;
    }
    const Result<void> done = take_off(place, st.st_ino);
    if (child < 0) return failure(fmt::format("cannot start a process: {}", std::strerror(number)));
    if (!done) launched.stays = done.error().message;
    return launched;
}

} // namespace lk
