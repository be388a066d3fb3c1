// SPDX-License-Identifier: MIT
#include "render/resolve.h"

#include <fmt/format.h>

#include "render/json.h"
#include "render/names.h"
#include "render/text.h"

namespace lk {

namespace {

const char *row_of(lk_reason reason) {
    switch (reason) {
    case LK_NO_POLICY: return "row 0";
    case LK_SOURCE: return "row 3";
    case LK_DNS: return "row 6 or 7";
    case LK_NOT_ALLOWED: return "row 12"; // a server on another port than 53
    default: return "row 6";
    }
}

std::string policys_part(const ResolveAnswer &answer) {
    const QueryVerdict &judged = *answer.judged;
    const std::string where = fmt::format("{} of the policy, reason {}, on {}", row_of(judged.reason),
                                          reason_name(judged.reason), plain(judged.device));
    if (judged.verdict == LK_REWRITE)
        return fmt::format("{} sends such queries to the VPN's resolver: the answer is its, not that of {}",
                           where, answer.server.str());
    std::string what_to_do = "ask as the VPN daemon (--vpn-user)";
    if (answer.server.port == 53)
        what_to_do += fmt::format(", or attach with --bootstrap-dns {}={}", answer.server.address.str(),
                                  answer.name.str());
    return fmt::format("{} {} the query: {}", where, judged.verdict == LK_REFUSE ? "refuses" : "drops",
                       what_to_do);
}

} // namespace

std::string resolve_text(const ResolveAnswer &answer) {
    std::string text;
    for (const Address &address : answer.addresses)
        text += address.str() + '\n';
    return text;
}

std::string resolve_json(const ResolveAnswer &answer) {
    OrderedJson json{{"version", json_version}, {"name", answer.name.str()}, {"server", answer.server.str()}};
    json["addresses"] = OrderedJson::array();
    for (const Address &address : answer.addresses)
        json["addresses"].push_back(address.str());
    json["verdict"] = OrderedJson(nullptr);
    if (answer.judged)
        json["verdict"] = {{"verdict", verdict_name(answer.judged->verdict)},
                           {"reason", reason_name(answer.judged->reason)},
                           {"device", answer.judged->device}};
    return dumped(json);
}

std::vector<std::string> resolve_troubles(const ResolveAnswer &answer) {
    std::vector<std::string> lines = answer.troubles;
    const bool no_answer = answer.exit == Exit::no_answer;
    if (answer.judged && (no_answer || answer.judged->verdict == LK_REWRITE))
        lines.push_back(policys_part(answer));
    return lines;
}

} // namespace lk
