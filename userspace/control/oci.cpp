// SPDX-License-Identifier: MIT
#include "control/oci.h"

#include <fmt/format.h>

#include <algorithm>
#include <climits>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "policy/settings.h"

namespace lk {

namespace {

using Json = nlohmann::json;
constexpr std::string_view prefix = "org.leakbpf.";

Error bad_state(const std::string &what) {
    return bad_input(fmt::format("the container's state on standard input {}: expected what an OCI runtime "
                                 "gives to a createRuntime hook",
                                 what));
}

Error bad_annotation(const std::string &name, const std::string &what) {
    return bad_input(fmt::format("annotation {}: {}", quote(name), what));
}

std::vector<std::string> parts_of(const std::string &list) {
    std::vector<std::string> parts;
    std::string::size_type at = 0;
    while (at <= list.size()) {
        const auto end = std::min(list.find(',', at), list.size());
        const auto first = std::min(list.find_first_not_of(' ', at), end);
        const auto last = list.find_last_not_of(' ', end == 0 ? 0 : end - 1);
        parts.push_back(first >= end ? "" : list.substr(first, last - first + 1));
        at = end + 1;
    }
    return parts;
}

Result<void> take(const Setting &setting, const std::string &name, const std::string &value, Policy &policy) {
    if (setting.kind == Setting::Kind::flag) {
        if (value == "false") return {};
        if (value != "true")
            return bad_annotation(name, fmt::format("{} is neither \"true\" nor \"false\"", quote(value)));
        return setting.take("", policy);
    }
    const auto words =
        setting.kind == Setting::Kind::list ? parts_of(value) : std::vector<std::string>{value};
    for (const std::string &word : words)
        if (Result<void> done = setting.take(word, policy); !done)
            return Error{done.error().exit, bad_annotation(name, done.error().message).message};
    return {};
}

Result<std::optional<Policy>> policy_of(const Json &annotations) {
    Policy policy;
    bool any = false;
    for (const auto &[name, value] : annotations.items()) {
        if (!std::string_view(name).starts_with(prefix)) continue;
        any = true;
        const auto option = name.substr(prefix.size());
        const auto known = std::ranges::find_if(settings(), [&](const Setting &setting) {
            return setting.option == option && setting.for_cgroups;
        });
        if (known == settings().end())
            return bad_annotation(name, "there is no such option of a cgroup's policy");
        if (!value.is_string()) return bad_annotation(name, "its value is no text");
        if (Result<void> done = take(*known, name, value.get<std::string>(), policy); !done)
            return done.error();
    }
    if (!any) return std::optional<Policy>{};
    policy = normalise(std::move(policy));
    if (Result<void> valid = validate(policy); !valid)
        return Error{valid.error().exit,
                     "the annotations " + std::string(prefix) + "*: " + valid.error().message};
    return std::optional{std::move(policy)};
}

} // namespace

Result<OciContainer> parse_oci_state(std::string_view text) {
    const Json state = Json::parse(text, nullptr, false);
    if (!state.is_object()) return bad_state("is no JSON object");
    OciContainer container;
    const auto id = state.find("id");
    if (id == state.end() || !id->is_string() || id->get<std::string>().empty())
        return bad_state("has no id");
    container.id = id->get<std::string>();
    const auto pid = state.find("pid");
    if (pid == state.end() || !pid->is_number_integer() || *pid < 1 || *pid > INT_MAX)
        return bad_state("has no pid of the container's process");
    container.pid = pid->get<int>();
    const auto annotations = state.find("annotations");
    if (annotations == state.end() || annotations->is_null()) return container;
    if (!annotations->is_object()) return bad_state("has annotations that are no object");
    Result<std::optional<Policy>> policy = policy_of(*annotations);
    if (!policy) return policy.error();
    container.policy = *std::move(policy);
    for (const auto &[name, value] : annotations->items())
        if (value.is_string()) container.annotations[name] = value.get<std::string>();
    return container;
}

} // namespace lk
