// SPDX-License-Identifier: MIT
#include "cli/configuration.h"

#include <fmt/format.h>

#include "base/text.h"
#include "config/config.h"
#include "config/words.h"

namespace lk {

namespace {

bool in_force(const Site &site) {
    const Result<std::optional<State>> state = State::find(site.place);
    return state && *state && (*state)->epoch() != 0;
}

Result<AttachAnswer> attempt(const Site &site, const std::string &path,
                             const Result<AttachRequest> &request) {
    if (!request) return request.error();
    Result<AttachAnswer> answer = attach(site, *request);
    if (!answer) return in_configuration(path, answer.error());
    return answer;
}

} // namespace

Result<AttachRequest> config_request(const std::string &path) {
    Result<Document> document = read_config(path);
    if (!document) return document.error();
    AttachRequest request;
    request.whole = *std::move(document);
    return request;
}

Error in_configuration(const std::string &path, Error error) {
    if (error.exit == Exit::bad_input)
        error.message = fmt::format("{}: {}", quote(path), in_keys(error.message));
    return error;
}

Result<Applied> apply(const Site &site, const std::string &path, const Result<AttachRequest> &request,
                      bool or_lockdown, bool follow) {
    Result<AttachAnswer> answer = attempt(site, path, request);
    if (answer) return Applied{*std::move(answer), {}};
    Error error = answer.error();
    if (in_force(site)) {
        if (error.exit == Exit::bad_input) error.message += "; what was in force before still is";
        return error;
    }
    if (!or_lockdown) return error;
    AttachRequest lockdown;
    lockdown.whole = lockdown_document();
    lockdown.follow = follow;
    lockdown.gate = lockdown.whatever_can = true;
    Result<AttachAnswer> locked = attach(site, lockdown);
    if (!locked) {
        error.message += "; and lockdown failed too: " + locked.error().message;
        return error;
    }
    return Applied{*std::move(locked), std::move(error)};
}

} // namespace lk
