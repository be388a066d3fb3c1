// SPDX-License-Identifier: MIT
#include "render/plan.h"

#include <fmt/format.h>

#include "control/scopes.h"
#include "render/json.h"
#include "render/policy.h"
#include "render/text.h"
#include "render/trial.h"

namespace lk {

namespace {

std::string unguarded_line(const std::vector<std::string> &names) {
    return names.empty() ? "" : fmt::format("UNGUARDED: {}\n", all_plain(names));
}

OrderedJson guarantees_to_json(const AttachAnswer &answer) {
    OrderedJson json = OrderedJson::array();
    for (const auto &name : answer.given)
        json.push_back({{"name", name}, {"holds", true}, {"why_not", nullptr}});
    for (const auto &[name, why] : answer.not_given)
        json.push_back({{"name", name}, {"holds", false}, {"why_not", why}});
    return json;
}

} // namespace

std::string attach_text(const AttachAnswer &answer) {
    std::string text =
        fmt::format("guarded: {} (policy {})\n",
                    answer.attached.empty() ? "none" : all_plain(answer.attached), answer.epoch);
    text += trial_text(answer.trial);
    text += unguarded_line(answer.unguarded);
    text += fmt::format("given: {}\n", abridged(answer.given, answer.given.size()));
    std::vector<std::string> lacking;
    for (const auto &[name, why] : answer.not_given)
        lacking.push_back(name);
    if (!lacking.empty())
        text += fmt::format("not given: {} (leakbpf doctor says why)\n", abridged(lacking, lacking.size()));
    text += sentences("notice", answer.notices);
    text += answer.follower ? fmt::format("follower: pid {}\n", *answer.follower)
                            : "follower: none, so new addresses and uplinks are not taken in\n";
    return text;
}

std::string attach_json(const AttachAnswer &answer) {
    return dumped({{"version", json_version},
                   {"attached", answer.attached},
                   {"unguarded", answer.unguarded},
                   {"notices", answer.notices},
                   {"guarantees", guarantees_to_json(answer)},
                   {"epoch", answer.epoch},
                   {"trial", trial_to_json(answer.trial)},
                   {"follower", follower_to_json(answer.follower)}});
}

std::string detach_text(const DetachRequest &request) {
    return fmt::format("set free: {}\n", request.interfaces.empty() ? "everything in this network namespace"
                                                                    : all_plain(request.interfaces));
}

std::string detach_json(const DetachRequest &request) {
    const std::vector<std::string> all{"all"};
    return dumped(
        {{"version", json_version}, {"detached", request.interfaces.empty() ? all : request.interfaces}});
}

std::string plan_text(const DryRun &dry) {
    const Built &built = dry.plan.built;
    std::string text = scopes_text(dry.plan.document);
    text +=
        fmt::format("would guard: {}\n",
                    built.uplinks.empty() ? "none" : all_plain(device_names(dry.topology, built.uplinks)));
    text += unguarded_line(device_names(dry.topology, built.unguarded));
    text += sentences("notice", built.notices);
    text += "would load:\n" + to_text(built.image);
    return text;
}

std::string plan_json(const DryRun &dry) {
    const Built &built = dry.plan.built;
    return dumped({{"version", json_version},
                   {"scopes", scopes_to_json(dry.plan.document)},
                   {"uplinks", device_names(dry.topology, built.uplinks)},
                   {"unguarded", device_names(dry.topology, built.unguarded)},
                   {"notices", built.notices},
                   {"image", OrderedJson::parse(to_json(built.image))}});
}

} // namespace lk
