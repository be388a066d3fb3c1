// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include "base/text.h"
#include "policy/endpoint_text.h"
#include "policy/policy.h"

namespace lk {
namespace {

constexpr auto expected =
    "expected ADDR[/LEN][:PORT[/udp|tcp]] or ADDR[/LEN]/esp, IPv6 with a port in brackets";

// The word after the last slash if it can only be meant as a protocol: no prefix length, nothing with a port
// in it.
std::string_view protocol_suffix(std::string_view text) {
    const auto slash = text.rfind('/');
    if (slash == text.npos) return {};
    const auto word = text.substr(slash + 1);
    if (word.find_first_of(":]") != word.npos) return {};
    if (word.find_first_not_of("0123456789") == word.npos) return {};
    return text.substr(slash);
}

std::string with_port(const std::string &host, const Address &family, std::uint16_t port) {
    return family.is_v4() ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

} // namespace

Result<Gateway> Gateway::parse(std::string_view text) {
    if (text.empty()) return bad_input(fmt::format("the gateway is empty: {}", expected));
    if (text.find_first_of(" \t\r\n") != text.npos)
        return bad_input(fmt::format("the gateway {} has a space in it: {}", quote(text), expected));

    const auto suffix = protocol_suffix(text);
    Gateway gateway;
    if (suffix == "/udp")
        gateway.protocol = Protocol::udp;
    else if (suffix == "/tcp")
        gateway.protocol = Protocol::tcp;
    else if (suffix == "/esp")
        gateway.protocol = Protocol::esp;
    else if (!suffix.empty())
        return bad_input(fmt::format("the gateway {} has the protocol {}: expected udp, tcp or esp",
                                     quote(text), quote(suffix.substr(1))));

    auto parts = split_host_port(text.substr(0, text.size() - suffix.size()), suffix);
    if (!parts) return bad_input("gateway " + parts.error().message);
    if (auto name = refuse_name(parts->host, "--gw")) return *name;
    auto prefix = Prefix::parse(parts->host);
    if (!prefix) return bad_input(fmt::format("gateway {}: {}", quote(text), prefix.error().message));
    if (prefix->length == 0)
        return bad_input(
            fmt::format("the gateway {} is the whole Internet, which would be no filter at all: name "
                        "the addresses of the VPN's servers",
                        quote(text)));
    gateway.prefix = *prefix;

    if (parts->port) {
        if (gateway.protocol == Protocol::esp)
            return bad_input(fmt::format("the gateway {} has a port, but ESP has none: write {}/esp",
                                         quote(text), prefix->str()));
        auto port = parse_port(*parts->port, text);
        if (!port) return bad_input("gateway " + port.error().message);
        gateway.port = *port;
    } else if (gateway.protocol == Protocol::udp || gateway.protocol == Protocol::tcp) {
        const auto host = prefix->address.is_v4() ? prefix->str() : fmt::format("[{}]", prefix->str());
        return bad_input(fmt::format("the gateway {} has a protocol but no port: write {}:PORT{}",
                                     quote(text), host, suffix));
    }
    return gateway;
}

std::string Gateway::str() const {
    std::string text = prefix.str();
    if (port != 0) text = with_port(text, prefix.address, port);
    switch (protocol) {
    case Protocol::any: return text;
    case Protocol::tcp: return text + "/tcp";
    case Protocol::udp: return text + "/udp";
    case Protocol::esp: return text + "/esp";
    }
    return text;
}

Result<Resolver> Resolver::parse(std::string_view text) {
    return parse_as("--dns", text);
}

Result<Resolver> Resolver::parse_as(std::string_view option, std::string_view text) {
    constexpr auto form = "expected ADDR[:PORT], IPv6 with a port in brackets";
    if (text.empty()) return bad_input(fmt::format("the resolver is empty: {}", form));
    auto parts = split_host_port(text, "");
    if (!parts) return bad_input("resolver " + parts.error().message);
    if (auto name = refuse_name(parts->host, option)) return *name;
    if (parts->host.find('/') != parts->host.npos)
        return bad_input(fmt::format("the resolver {} is a prefix: {}", quote(text), form));
    auto address = Address::parse(parts->host);
    if (!address) return bad_input(fmt::format("resolver {}: {}", quote(text), address.error().message));

    Resolver resolver{*address};
    const auto first = address->bytes()[0];
    const bool multicast = address->is_v4() ? (address->bytes()[12] & 0xf0) == 0xe0 : first == 0xff;
    const bool unspecified = address->is_v4() ? address->bytes()[12] == 0 : *address == Address{};
    if (multicast || unspecified)
        return bad_input(fmt::format(
            "the resolver {} cannot be asked: expected the address of one DNS server", quote(text)));
    if (parts->port) {
        auto port = parse_port(*parts->port, text);
        if (!port) return bad_input("resolver " + port.error().message);
        resolver.port = *port;
    }
    return resolver;
}

std::string Resolver::str() const {
    if (port == 53) return address.str();
    return with_port(address.str(), address, port);
}

} // namespace lk
