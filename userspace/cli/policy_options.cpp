// SPDX-License-Identifier: MIT
#include "cli/policy_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

namespace lk {

namespace {

std::vector<std::string> words_of(const Setting &setting, const PolicyOptions::Given &given) {
    switch (setting.kind) {
    case Setting::Kind::flag: return given.flag ? std::vector<std::string>{""} : std::vector<std::string>{};
    case Setting::Kind::word:
        return given.word ? std::vector<std::string>{*given.word} : std::vector<std::string>{};
    case Setting::Kind::list: return given.list;
    }
    return {};
}

} // namespace

void add_setting(CLI::App &app, const Setting &setting, PolicyOptions::Given &given) {
    const std::string name = std::string("--") + setting.option;
    switch (setting.kind) {
    case Setting::Kind::flag: app.add_flag(name, given.flag, setting.help)->disable_flag_override(); break;
    case Setting::Kind::word: app.add_option(name, given.word, setting.help)->type_name(setting.form); break;
    case Setting::Kind::list:
        // One value each time: `--gw A eth0` must not take eth0 for a gateway, nor "[a,b]" for two values.
        app.add_option(name, given.list, setting.help)->type_name(setting.form)->allow_extra_args(false);
        break;
    }
}

bool PolicyOptions::any() const {
    return !interfaces.empty() || all_uplinks || only || std::ranges::any_of(given, [](const Given &each) {
        return !each.list.empty() || each.word || each.flag;
    });
}

Error named(const std::string &option, Error error) {
    if (!error.message.starts_with("--")) error.message = fmt::format("{}: {}", option, error.message);
    return error;
}

void add_policy_options(CLI::App &app, PolicyOptions &options) {
    app.add_option("IFACE", options.interfaces,
                   "Uplinks to guard; without one, every device that holds a default route and is no tunnel")
        ->type_name("");
    for (std::size_t index = 0; index < settings().size(); ++index)
        if (settings()[index].for_uplinks) add_setting(app, settings()[index], options.given[index]);
    app.add_flag("--all-uplinks", options.all_uplinks, "Every uplink, also those that appear later")
        ->disable_flag_override();
    app.add_flag("--only", options.only, "Leave uplinks alone that appear later")->disable_flag_override();
}

Result<AttachRequest> to_request(const PolicyOptions &options) {
    AttachRequest request;
    for (const std::string &word : options.interfaces) {
        Result<std::string> name = parse_device(word);
        if (!name) return named("IFACE", name.error());
        request.interfaces.push_back(*std::move(name));
    }
    for (std::size_t index = 0; index < settings().size(); ++index)
        for (const std::string &word : words_of(settings()[index], options.given[index]))
            if (Result<void> done = settings()[index].take(word, request.policy); !done)
                return named(std::string("--") + settings()[index].option, done.error());
    request.only = options.only;
    request.all_uplinks = options.all_uplinks;
    request.policy = normalise(std::move(request.policy));
    if (Result<void> valid = validate(request.policy); !valid) return valid.error();
    return request;
}

} // namespace lk
