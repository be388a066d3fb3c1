// SPDX-License-Identifier: MIT
#include <sys/prctl.h>
#include <syslog.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "cli/command.h"
#include "cli/configuration.h"
#include "cli/output.h"
#include "cli/service.h"
#include "control/control.h"
#include "control/follower_process.h"
#include "control/scopes.h"

namespace lk {

namespace {

struct Options {
    std::optional<std::string> config;
    bool take_over = false;
};

// What is told of a follower: to attach by a line, to systemd, to people.
class Teller {
  public:
    explicit Teller(Service &service) : service_(service) {}

    void committed(const Topology &topology, const Built &built, const std::set<int> &bare) {
        std::vector<int> hooked = built.uplinks;
        std::erase_if(hooked, [&bare](int ifindex) { return bare.contains(ifindex); });
        const std::string uplinks = listed(device_names(topology, hooked));
        if (uplinks != uplinks_) {
            const bool first = !uplinks_;
            uplinks_ = uplinks;
            if (first) {
                print(following_line + uplinks);
                std::fflush(stdout);
            } else {
                service_.tell(LOG_NOTICE, "guarded now: " + uplinks, fields("uplinks"));
            }
        }
        service_.ready(how_it_is());
    }
    void trouble(const std::string &message) {
        service_.tell(LOG_WARNING, message, fields("trouble"));
        trouble_ = message;
        service_.status(how_it_is());
    }
    void over(const std::string &message) {
        service_.tell(LOG_NOTICE, "works again: " + message, fields("works-again"));
        trouble_.clear();
        service_.ready(how_it_is());
    }
    void trial_ended(const std::string &message) {
        service_.tell(LOG_WARNING, message, fields("trial-ended"));
    }
    void overtaken(const std::string &message) { service_.tell(LOG_WARNING, message, fields("overtaken")); }
    void portal_ended(const std::string &message) {
        service_.tell(LOG_NOTICE, message, fields("portal-ended"));
    }
    // The policy of the file at PATH, or the one before and why.
    void reload(const Site &site, const std::string &path) {
        service_.reloading();
        if (const Result<void> done = put_into_force(site, path, "read again: " + path, "reloaded")) {
            kept_.clear();
        } else {
            service_.tell(LOG_ERR, done.error().message, fields("reload-failed"));
            kept_ = "; the configuration is wrong: " + done.error().message;
        }
        service_.ready(how_it_is());
    }
    // The same where what is there cannot be followed.
    Result<void> mend(const Site &site, const std::string &path) {
        return put_into_force(site, path,
                              "the filter that was there is of another version or half made, so the "
                              "configuration took its place: " +
                                  path,
                              "mended");
    }

  private:
    // What it says then goes to the journal as EVENT.
    Result<void> put_into_force(const Site &site, const std::string &path, const std::string &message,
                                const char *event) {
        Result<AttachRequest> request = config_request(path);
        if (request) request->follow = false; // that is this process
        const Result<Applied> applied = apply(site, path, request, false, false);
        if (!applied) return applied.error();
        service_.tell(LOG_NOTICE, message, fields(event));
        for (const std::string &notice : applied->answer.notices)
            service_.tell(LOG_NOTICE, notice, fields("notice"));
        return {};
    }
    Service::Fields fields(const char *event) const {
        return {{"LEAKBPF_EVENT", event}, {"LEAKBPF_UPLINKS", uplinks_.value_or("none")}};
    }
    std::string how_it_is() const {
        const std::string guards = "guards " + uplinks_.value_or("none") + kept_;
        return trouble_.empty() ? guards : trouble_ + "; " + guards;
    }

    Service &service_;
    std::optional<std::string> uplinks_; // none: not told yet
    std::string trouble_, kept_;
};

Result<Exit> run(const Globals &globals, const Options &options) {
    const Result<Site> site = find_site(globals.bpffs, globals.cgroup_root, false);
    if (!site) return site.error();
    prctl(PR_SET_NAME, "leakbpf"); // attach starts it by /proc/self/exe
    Service service;
    Teller teller(service);
    FollowTold told;
    told.committed = [&](const Topology &topology, const Built &built, const std::set<int> &bare) {
        teller.committed(topology, built, bare);
    };
    told.trouble = [&](const std::string &message) { teller.trouble(message); };
    told.over = [&](const std::string &message) { teller.over(message); };
    told.trial_ended = [&](const std::string &message) { teller.trial_ended(message); };
    told.overtaken = [&](const std::string &message) { teller.overtaken(message); };
    told.portal_ended = [&](const std::string &message) { teller.portal_ended(message); };
    told.alive = [&] { service.alive(); };
    if (options.config) {
        told.reload = [&] { teller.reload(*site, *options.config); };
        told.mend = [&] { return teller.mend(*site, *options.config); };
    }
    told.take_over = options.take_over;
    if (Result<void> done = follow(*site, told); !done) return done.error();
    return Exit::ok;
}

} // namespace

Finish define_follow(CLI::App &app) {
    const auto options = std::make_shared<Options>();
    app.add_option("--config", options->config, "On SIGHUP, put this configuration into force anew")
        ->type_name("FILE");
    app.add_flag("--take-over", options->take_over, "End the follower that there is, and take its place")
        ->disable_flag_override();
    return [options]() -> Result<Run> {
        return Run([options](const Globals &globals) { return run(globals, *options); });
    };
}

} // namespace lk
