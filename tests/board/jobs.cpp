// SPDX-License-Identifier: MIT
#include "board/jobs.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "board/fire.h"
#include "harness/sandbox.h"

namespace lk::board {

namespace {

using File = std::unique_ptr<FILE, int (*)(FILE *)>;

struct Running {
    const Job *job;
    File told;
    unsigned slot;
};

// Keeps a world on one CPU: the capture's fences go through the queues of every CPU that the process may use,
// and wait there for the other worlds.
void stay_on_a_cpu(unsigned slot) {
    cpu_set_t may;
    harness::must(sched_getaffinity(0, sizeof(may), &may), "sched_getaffinity");
    unsigned skip = slot % static_cast<unsigned>(CPU_COUNT(&may));
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &may) || skip--) continue;
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        harness::must(sched_setaffinity(0, sizeof(one), &one), "sched_setaffinity");
        return;
    }
}

// The child: one line of JSON for each case, then one that says that it was all.
int tell_all(const Job &job, FILE *out) {
    job.run([out](std::size_t index, const Outcome &outcome) {
        nlohmann::json line = {index, outcome.fired, outcome.seen, outcome.works, outcome.trouble};
        fmt::print(out, "{}\n", line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    });
    fmt::print(out, "end\n");
    return fflush(out) == 0 ? 0 : 1;
}

pid_t start(const Job &job, FILE *out, unsigned slot) {
    pid_t parent = getpid();
    fflush(nullptr);
    pid_t pid = fork();
    harness::must(pid, "fork");
    if (pid) return pid;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(1);
    stay_on_a_cpu(slot);
    int status = harness::Sandbox::run_program("board-" + job.name, [&] { return tell_all(job, out); });
    fflush(nullptr);
    _exit(status);
}

// Whether the file was whole.
bool read_back(const Running &done) {
    rewind(done.told.get());
    char *line = nullptr;
    std::size_t room = 0;
    bool whole = false;
    while (getline(&line, &room, done.told.get()) > 0) {
        if ((whole = std::string(line) == "end\n")) break;
        auto row = nlohmann::json::parse(line);
        done.job->take(row[0], {.fired = row[1], .seen = row[2], .works = row[3], .trouble = row[4]});
    }
    free(line);
    return whole;
}

std::string ending(int status) {
    if (WIFSIGNALED(status)) return fmt::format("killed by signal {}", WTERMSIG(status));
    return fmt::format("status {}", WEXITSTATUS(status));
}

} // namespace

void run_jobs(const std::vector<Job> &jobs, unsigned limit) {
    std::map<pid_t, Running> running;
    std::set<unsigned> slots;
    for (unsigned slot = 0; slot < limit; slot++)
        slots.insert(slot);
    std::string failed;
    std::size_t next = 0;
    while (next < jobs.size() || !running.empty()) {
        while (next < jobs.size() && running.size() < limit) {
            File told(tmpfile(), fclose);
            harness::must(told ? 0 : -1, "a temporary file");
            const unsigned slot = slots.extract(slots.begin()).value();
            const pid_t pid = start(jobs[next], told.get(), slot);
            running.emplace(pid, Running{&jobs[next++], std::move(told), slot});
        }
        int status = 0;
        const pid_t pid = wait(&status);
        auto done = running.find(pid);
        if (done == running.end()) continue;
        if (WIFEXITED(status) && WEXITSTATUS(status) == harness::Sandbox::skipped)
            exit(harness::Sandbox::skipped);
        if (status != 0 || !read_back(done->second))
            failed += fmt::format(" {} ({})", done->second.job->name, ending(status));
        slots.insert(done->second.slot);
        running.erase(done);
    }
    if (!failed.empty()) throw std::runtime_error("these runs failed:" + failed);
}

} // namespace lk::board
