// SPDX-License-Identifier: MIT
#include "cli/service.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <syslog.h>
#include <systemd/sd-daemon.h>
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include <cstdlib>
#include <ctime>
#include <string_view>

namespace lk {

namespace {

// JOURNAL_STREAM names the file that the journal reads; somebody may have put another one in stderr's place.
bool stderr_is_journal() {
    const char *named = std::getenv("JOURNAL_STREAM");
    struct stat here;
    return named && fstat(STDERR_FILENO, &here) == 0 &&
           fmt::format("{}:{}", here.st_dev, here.st_ino) == named;
}

void notify(const std::string &state) {
    sd_notify(0, state.c_str());
}

// A line break would begin another assignment.
std::string one_line(std::string text) {
    for (char &c : text)
        if (c == '\n') c = ' ';
    return text;
}

} // namespace

Service::Service() : journal_(stderr_is_journal()), watchdog_(sd_watchdog_enabled(0, nullptr) > 0) {
    if (!journal_) openlog("leakbpf", LOG_PID | LOG_PERROR, LOG_DAEMON);
}

void Service::ready(const std::string &status) {
    notify("READY=1\nSTATUS=" + one_line(status));
}

void Service::status(const std::string &status) {
    notify("STATUS=" + one_line(status));
}

void Service::reloading() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    notify(fmt::format("RELOADING=1\nMONOTONIC_USEC={}",
                       std::uint64_t(now.tv_sec) * 1'000'000 + std::uint64_t(now.tv_nsec) / 1000));
}

void Service::alive() {
    if (watchdog_) notify("WATCHDOG=1");
}

void Service::tell(int priority, const std::string &message, const Fields &fields) const {
    if (!journal_) {
        syslog(priority, "%s", message.c_str());
        return;
    }
    std::vector<std::string> lines{fmt::format("PRIORITY={}", priority), "SYSLOG_IDENTIFIER=leakbpf",
                                   "MESSAGE=" + message};
    for (const auto &[name, value] : fields)
        lines.push_back(name + '=' + value);
    std::vector<iovec> parts;
    for (std::string &line : lines)
        parts.push_back({line.data(), line.size()});
    sd_journal_sendv(parts.data(), static_cast<int>(parts.size()));
}

} // namespace lk
