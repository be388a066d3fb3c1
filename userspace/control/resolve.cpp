// SPDX-License-Identifier: MIT
#include "control/resolve.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>

#include "base/text.h"
#include "control/daemon_sockets.h"
#include "image/build_scopes.h"

namespace lk {

namespace {

// What is in force; without a filter an empty policy.
struct InForce {
    bool attached = false;
    Document document;
    Policy policy; // of the scope that takes in new uplinks
};

Result<InForce> read_in_force(const Site &site) {
    InForce found;
    const Result<std::optional<State>> state = State::find(site.place);
    if (!state) return state.error();
    if (!*state || (*state)->epoch() == 0) return found;
    Result<Document> document = (*state)->document();
    if (!document) return document.error();
    found.attached = true;
    found.document = *std::move(document);
    if (const std::size_t scope = host_scope(found.document); scope != no_scope)
        found.policy = found.document.scopes[scope].policy;
    return found;
}

Result<std::uint16_t> random_id() {
    std::uint16_t id = 0;
    if (::getrandom(&id, sizeof(id), 0) != sizeof(id)) return failure("the kernel gives no random numbers");
    return id;
}

// What passes needs no word.
std::optional<QueryVerdict> judge_now(const InForce &in_force, const Asker &asker, const Fd &socket,
                                      const Resolver &server, const DnsQuery &query) {
    if (!in_force.attached) return {};
    const auto source = local_address(socket);
    const Result<Topology> topology = read_topology();
    if (!source || !topology) return {};
    const Built built = build_image(in_force.document, *topology);
    auto judged = judge_query(built.image, *topology, asker, *source, server, query);
    if (!judged || judged->verdict == LK_PASS) return {};
    return judged;
}

void sort_out(ResolveAnswer &answer, const std::vector<Exit> &exits) {
    if (!answer.addresses.empty()) return;
    const bool any_no_answer = std::ranges::count(exits, Exit::no_answer) > 0;
    answer.exit = any_no_answer ? Exit::no_answer : Exit::no_such_name;
}

// One query's outcome into the answer; gives what it would be by itself.
Exit take(ResolveAnswer &answer, const Result<DnsAnswer> &got, RecordType type) {
    const char *kind = type == RecordType::a ? "IPv4" : "IPv6";
    const auto trouble = [&answer](std::string sentence, Exit exit) {
        if (std::ranges::find(answer.troubles, sentence) == answer.troubles.end())
            answer.troubles.push_back(std::move(sentence));
        return exit;
    };
    if (!got) return trouble(got.error().message, Exit::no_answer);
    const std::string who = answer.server.str(), name = quote(answer.name.str());
    switch (got->kind) {
    case DnsAnswer::Kind::addresses:
        answer.addresses.insert(answer.addresses.end(), got->addresses.begin(), got->addresses.end());
        return Exit::ok;
    case DnsAnswer::Kind::no_address: return Exit::no_such_name; // told if there is none of the other either
    case DnsAnswer::Kind::no_such_name:
        return trouble(fmt::format("there is no name {}, says {}", name, who), Exit::no_such_name);
    default:
        return trouble(fmt::format("{} answers {} to the query for the {} address of {}", who,
                                   response_code(got->code), kind, name),
                       Exit::no_answer);
    }
}

} // namespace

Result<Resolver> server_of(const Policy &policy, const DnsName &name) {
    std::vector<Resolver> servers;
    for (const BootstrapName &boot : policy.bootstrap)
        if (boot.name == name) servers.push_back({boot.server});
    const bool named = !servers.empty();
    for (const Gateway &gateway : policy.gateways)
        if (!named && gateway.port == 53 && gateway.prefix.is_host() && gateway.protocol != Protocol::tcp)
            servers.push_back({gateway.prefix.address});
    std::ranges::sort(servers);
    servers.erase(std::unique(servers.begin(), servers.end()), servers.end());
    if (servers.empty())
        return bad_input("it is not known whom to ask: the policy in force names no server for this "
                         "(--bootstrap-dns, or a gateway with port 53); name one with --server");
    if (servers.size() > 1)
        return bad_input(fmt::format("it is not clear whom to ask: the policy names {} servers, {} and {} "
                                     "among them; name one with --server",
                                     servers.size(), servers[0].str(), servers[1].str()));
    return servers.front();
}

Result<ResolveAnswer> resolve(const Site &site, const ResolveRequest &request) {
    const auto in_force = read_in_force(site);
    if (!in_force) return in_force.error();
    const auto server =
        request.server ? Result<Resolver>(*request.server) : server_of(in_force->policy, request.name);
    if (!server) return server.error();
    std::vector<RecordType> types;
    if (request.v4) types.push_back(RecordType::a);
    if (request.v6) types.push_back(RecordType::aaaa);
    const auto sockets = make_daemon_sockets(site, in_force->policy, request.user, *server, types.size());
    if (!sockets) return sockets.error();

    ResolveAnswer answer;
    answer.name = request.name;
    answer.server = *server;
    std::vector<Exit> exits;
    const auto deadline = std::chrono::steady_clock::now() + request.timeout;
    for (std::size_t index = 0; index < types.size(); ++index) {
        const auto id = random_id();
        if (!id) return id.error();
        const DnsQuery query{*id, request.name, types[index]};
        exits.push_back(take(answer, ask(sockets->pairs[index], *server, query, deadline), types[index]));
        // The first says why; a second that fails as well would only take its time once more.
        if (index == 0)
            answer.judged = judge_now(*in_force, sockets->asker, sockets->pairs[0].udp, *server, query);
        if (exits.back() == Exit::no_answer && answer.judged) break;
    }
    sort_out(answer, exits);
    if (answer.exit == Exit::no_such_name && answer.troubles.empty())
        answer.troubles.push_back(
            fmt::format("{} has no address, says {}", quote(request.name.str()), server->str()));
    return answer;
}

} // namespace lk
