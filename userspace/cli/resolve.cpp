// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "base/text.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/policy_options.h"
#include "control/resolve.h"
#include "render/resolve.h"

namespace lk {

namespace {

constexpr std::uint64_t max_timeout_seconds = 60;

struct Options {
    std::string name;
    std::optional<std::string> server, user;
    bool v4 = false, v6 = false;
    std::string timeout = "5";
};

Result<ResolveRequest> to_request(const Options &options) {
    ResolveRequest request;
    const Result<DnsName> name = DnsName::parse(options.name);
    if (!name) return name.error();
    request.name = *name;
    if (options.server) {
        const Result<Resolver> server = Resolver::parse_as("--server", *options.server);
        if (!server) return named("--server", server.error());
        request.server = *server;
    }
    if (options.user) {
        const Result<VpnUser> user = VpnUser::parse(*options.user);
        if (!user) return named("--vpn-user", user.error());
        request.user = *user;
    }
    if (options.v4 != options.v6) {
        request.v4 = options.v4;
        request.v6 = options.v6;
    }
    const auto seconds = parse_decimal(options.timeout);
    if (!seconds || *seconds == 0 || *seconds > max_timeout_seconds)
        return bad_input(fmt::format("--timeout: {} is no time: expected 1 to {} seconds",
                                     quote(options.timeout), max_timeout_seconds));
    request.timeout = std::chrono::seconds(*seconds);
    return request;
}

} // namespace

Finish define_resolve(CLI::App &app) {
    const auto options = std::make_shared<Options>();
    app.add_option("NAME", options->name, "Host name to find the addresses of")->type_name("")->required();
    app.add_option("--server", options->server,
                   "Whom to ask (default: the server that the policy in force names for this)")
        ->type_name("ADDR[:PORT]");
    app.add_option("--vpn-user", options->user, "Ask as this user (default: the policy's VPN user)")
        ->type_name("USER|UID");
    app.add_flag("-4", options->v4, "IPv4 addresses only")->disable_flag_override();
    app.add_flag("-6", options->v6, "IPv6 addresses only")->disable_flag_override();
    app.add_option("--timeout", options->timeout, "Give up after so long, 1 to 60")
        ->type_name("SECONDS")
        ->capture_default_str();
    return [options]() -> Result<Run> {
        Result<ResolveRequest> request = to_request(*options);
        if (!request) return request.error();
        return Run([asked = *std::move(request)](const Globals &globals) -> Result<Exit> {
            const Result<Site> site = find_site(globals.bpffs, globals.cgroup_root, false);
            if (!site) return site.error();
            const Result<ResolveAnswer> answer = resolve(*site, asked);
            if (!answer) return answer.error();
            for (const std::string &line : resolve_troubles(*answer))
                fmt::print(stderr, "leakbpf: {}\n", line);
            if (globals.json)
                print(resolve_json(*answer));
            else
                fmt::print("{}", resolve_text(*answer));
            return answer->exit;
        });
    };
}

} // namespace lk
