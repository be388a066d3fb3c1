// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include "base/text.h"
#include "leakbpf/abi.h"
#include "policy/policy.h"

namespace lk {

static_assert(max_bootstrap_wire == LK_BOOT_NAME);

Result<std::vector<BootstrapName>> BootstrapName::parse_list(std::string_view text) {
    const auto equals = text.find('=');
    if (equals == text.npos)
        return bad_input(
            fmt::format("--bootstrap-dns: {} names no host: expected ADDR=NAME[,NAME...], such as "
                        "198.51.100.53=vpn.example.org",
                        quote(text)));
    const auto server = Resolver::parse_as("--bootstrap-dns", text.substr(0, equals));
    if (!server) return server.error();
    if (server->port != 53)
        return bad_input(
            fmt::format("--bootstrap-dns: {} has a port: expected the address of a server, which "
                        "is asked on port 53",
                        quote(text)));
    std::vector<BootstrapName> names;
    for (auto rest = text.substr(equals + 1);;) {
        const auto comma = rest.find(',');
        const auto name = DnsName::parse(rest.substr(0, comma));
        if (!name) return name.error();
        if (name->wire().size() > max_bootstrap_wire)
            return bad_input(
                fmt::format("--bootstrap-dns: the name {} takes {} bytes in a message, {} at most",
                            quote(name->str()), name->wire().size(), max_bootstrap_wire));
        names.push_back({server->address, *name});
        if (comma == rest.npos) return names;
        rest.remove_prefix(comma + 1);
    }
}

Result<BootstrapName> BootstrapName::parse(std::string_view text) {
    auto names = parse_list(text);
    if (!names) return names.error();
    if (names->size() != 1) return bad_input(fmt::format("{}: expected one name", quote(text)));
    return names->front();
}

std::string BootstrapName::str() const {
    return fmt::format("{}={}", server.str(), name.str());
}

} // namespace lk
