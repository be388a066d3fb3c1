// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include "base/text.h"
#include "policy/endpoint_text.h"
#include "policy/policy.h"

namespace lk {

Result<ServedPort> ServedPort::parse(std::string_view text) {
    const auto wrong = [text](std::string_view what) {
        return bad_input(fmt::format("--serve: {} {}: expected PROTO/PORT[@CIDR] with tcp or udp, such as "
                                     "tcp/22 or tcp/443@203.0.113.0/24",
                                     quote(text), what));
    };
    const auto slash = text.find('/');
    if (slash == text.npos) return wrong("names no protocol and port");
    ServedPort service;
    const auto protocol = text.substr(0, slash);
    if (protocol == "tcp")
        service.protocol = Protocol::tcp;
    else if (protocol == "udp")
        service.protocol = Protocol::udp;
    else
        return wrong(fmt::format("has the protocol {}", quote(protocol)));
    const auto rest = text.substr(slash + 1);
    const auto at = rest.find('@');
    const auto number = parse_decimal(rest.substr(0, at));
    if (!number || *number == 0 || *number > 65535)
        return wrong(
            fmt::format("has the port {}, which is none from 1 to 65535", quote(rest.substr(0, at))));
    service.port = static_cast<std::uint16_t>(*number);
    if (at == rest.npos) return service;
    const auto from = Prefix::parse(rest.substr(at + 1));
    if (!from) return bad_input(fmt::format("--serve {}: {}", quote(text), from.error().message));
    service.from = *from;
    return service;
}

std::string ServedPort::str() const {
    const auto port_text = fmt::format("{}/{}", protocol == Protocol::udp ? "udp" : "tcp", port);
    return from ? fmt::format("{}@{}", port_text, from->str()) : port_text;
}

} // namespace lk
