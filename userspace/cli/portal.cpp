// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <memory>

#include "base/boot_clock.h"
#include "base/fd.h"
#include "cli/command.h"
#include "cli/duration.h"
#include "cli/output.h"
#include "control/portal.h"
#include "render/portal.h"

namespace lk {

namespace {

// Ctrl-C, the terminal's end: from before the portal is opened on they are heard here, and close it.
class Interruptions {
  public:
    Interruptions() {
        sigset_t set;
        sigemptyset(&set);
        for (const int number : {SIGINT, SIGTERM, SIGHUP})
            sigaddset(&set, number);
        sigprocmask(SIG_BLOCK, &set, nullptr);
        fd_ = Fd(signalfd(-1, &set, SFD_CLOEXEC));
    }
    // True: one came.
    bool within(std::chrono::milliseconds time) const {
        pollfd wait{fd_.get(), POLLIN, 0};
        return poll(&wait, 1, static_cast<int>(time.count())) > 0;
    }

  private:
    Fd fd_;
};

void last_line(std::string_view text) {
    fmt::print("\r{:<40}\n", text);
}

// Until it is over, closed by somebody or opened anew by another command, which then counts it down, or until
// Ctrl-C, which closes it. Whatever ends this process otherwise, the kernel closes it in time.
Result<Exit> count_down(const Site &site, std::uint64_t until_ns, const Interruptions &interruptions) {
    while (const std::uint64_t left = seconds_left(until_ns, boot_clock_ns())) {
        // What cannot be read now, in the middle of an attach for one, may be read in a second.
        const auto fate = portal_fate(site, until_ns);
        if (fate && *fate == PortalFate::another) {
            last_line("");
            return Exit::ok;
        }
        if (fate && *fate != PortalFate::open) {
            last_line(*fate == PortalFate::detached ? "detached" : "closed");
            return Exit::ok;
        }
        fmt::print("\r{:>5} s left, Ctrl-C closes ", left);
        std::fflush(stdout);
        if (!interruptions.within(std::chrono::seconds(1))) continue;
        const Result<bool> closed = close_portal(site, until_ns);
        if (!closed && closed.error().exit != Exit::not_attached)
            return Error{closed.error().exit,
                         fmt::format("{}; the portal is still open, for {} s", closed.error().message, left)};
        last_line(!closed ? "detached" : *closed ? "closed" : "");
        return Exit::ok;
    }
    last_line("closed");
    return Exit::ok;
}

Result<Exit> run_open(const Globals &globals, std::chrono::seconds time,
                      const std::vector<Address> &routers) {
    const Result<Site> site = find_site(globals.bpffs, globals.cgroup_root, false);
    if (!site) return site.error();
    std::optional<Interruptions> interruptions;
    if (!globals.json && isatty(STDOUT_FILENO) != 0) interruptions.emplace();
    const Result<PortalAnswer> answer = open_portal(*site, time, routers);
    if (!answer) return answer.error();
    print(globals.json ? portal_opened_json(*answer) : portal_opened_text(*answer));
    if (!interruptions) return Exit::ok;
    return count_down(*site, answer->until_ns, *interruptions);
}

Result<Exit> run_close(const Globals &globals) {
    const Result<Site> site = find_site(globals.bpffs, globals.cgroup_root, false);
    if (!site) return site.error();
    const Result<bool> closed = close_portal(*site);
    if (!closed) return closed.error();
    print(globals.json ? portal_closed_json() : portal_closed_text(*closed));
    return Exit::ok;
}

Result<std::vector<Address>> parse_routers(const std::vector<std::string> &texts) {
    std::vector<Address> routers;
    for (const std::string &text : texts) {
        const Result<Address> router = Address::parse(text);
        if (!router) return Error{router.error().exit, "--router: " + router.error().message};
        routers.push_back(*router);
    }
    return routers;
}

} // namespace

Finish define_portal(CLI::App &app) {
    struct Options {
        std::string time;
        std::vector<std::string> routers;
        bool close = false;
    };
    const auto options = std::make_shared<Options>();
    app.add_option("DURATION", options->time, "How long: 90s or 5m, at most 30m")->type_name("");
    app.add_option("--router", options->routers,
                   "Open it to this next hop of a default route alone, also one outside the LAN; repeatable")
        ->type_name("ADDR")
        ->allow_extra_args(false);
    app.add_flag("--close", options->close, "Close it now")->disable_flag_override();
    return [options]() -> Result<Run> {
        if (options->close == !options->time.empty())
            return bad_input("portal takes how long it is to be open, such as 5m, or --close");
        if (options->close && !options->routers.empty())
            return bad_input("--router and --close: a portal is closed to all its routers at once");
        if (options->close) return Run(run_close);
        const auto time = parse_bounded(options->time, "a portal", portal_least, portal_most, "90s or 5m");
        if (!time) return time.error();
        auto routers = parse_routers(options->routers);
        if (!routers) return routers.error();
        return Run([open_for = *time, to = *std::move(routers)](const Globals &globals) {
            return run_open(globals, open_for, to);
        });
    };
}

} // namespace lk
