// SPDX-License-Identifier: MIT
#include "policy/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/text.h"

namespace lk {
namespace {

constexpr std::array<std::uint8_t, 12> v4_head{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

// inet_pton refuses leading zeros, zones, spaces and trailing text, but needs a terminated string.
bool to_network(int family, std::string_view text, void *out) {
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    if (text.size() >= buffer.size() || text.find('\0') != text.npos) return false;
    text.copy(buffer.data(), text.size());
    return inet_pton(family, buffer.data(), out) == 1;
}

// True when the first BITS of both are the same.
bool same_head(const std::array<std::uint8_t, 16> &a, const std::array<std::uint8_t, 16> &b, unsigned bits) {
    const unsigned whole = bits / 8, rest = bits % 8;
    if (std::memcmp(a.data(), b.data(), whole) != 0) return false;
    return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

} // namespace

Address Address::from_v4(const void *four_bytes) {
    Address address;
    std::copy(v4_head.begin(), v4_head.end(), address.bytes_.begin());
    std::memcpy(address.bytes_.data() + 12, four_bytes, 4);
    return address;
}

Address Address::from_v6(const void *sixteen_bytes) {
    Address address;
    std::memcpy(address.bytes_.data(), sixteen_bytes, 16);
    return address;
}

Address Address::from_abi(const lk_addr &addr) {
    return from_v6(addr.w);
}

Result<Address> Address::parse(std::string_view text) {
    std::array<std::uint8_t, 16> bytes{};
    if (to_network(AF_INET, text, bytes.data())) return from_v4(bytes.data());
    if (text.find('%') != text.npos)
        return bad_input(fmt::format("{} names a zone (%): write the address without it", quote(text)));
    if (to_network(AF_INET6, text, bytes.data())) {
        const Address address = from_v6(bytes.data());
        if (address.is_v4())
            return bad_input(
                fmt::format("{} is IPv4 in IPv6 notation: write {}", quote(text), address.str()));
        return address;
    }
    return bad_input(
        fmt::format("{} is not an IP address: expected one like 198.51.100.7 or 2001:db8::7", quote(text)));
}

bool Address::is_v4() const {
    return std::equal(v4_head.begin(), v4_head.end(), bytes_.begin());
}

lk_addr Address::abi() const {
    lk_addr addr;
    std::memcpy(addr.w, bytes_.data(), sizeof addr.w);
    return addr;
}

std::string Address::str() const {
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    if (is_v4())
        inet_ntop(AF_INET, bytes_.data() + 12, buffer.data(), buffer.size());
    else
        inet_ntop(AF_INET6, bytes_.data(), buffer.data(), buffer.size());
    return buffer.data();
}

Prefix Prefix::of(const Address &address, unsigned length) {
    Prefix prefix;
    prefix.length = std::min(length, address.width());
    auto bytes = address.bytes();
    const unsigned keep = prefix.length + (128 - address.width());
    for (unsigned i = keep / 8; i < 16; ++i)
        bytes[i] &= i == keep / 8 ? static_cast<std::uint8_t>(0xff00u >> (keep % 8)) : 0;
    prefix.address = Address::from_v6(bytes.data());
    return prefix;
}

Result<Prefix> Prefix::parse(std::string_view text) {
    const auto slash = text.find('/');
    auto address = Address::parse(text.substr(0, slash));
    if (!address) return address.error();
    if (slash == text.npos) return host(*address);

    const auto length = parse_decimal(text.substr(slash + 1));
    if (!length || *length > address->width())
        return bad_input(fmt::format("{} has the prefix length {}: expected 0 to {}", quote(text),
                                     quote(text.substr(slash + 1)), address->width()));
    const Prefix prefix = of(*address, static_cast<unsigned>(*length));
    if (prefix.address != *address)
        return bad_input(
            fmt::format("{} has host bits set: write {} for the network, or {} for the one address",
                        quote(text), prefix.str(), address->str()));
    return prefix;
}

// IPv4 lies inside ::/0 as bytes go, but no IPv6 prefix is meant to contain it.
bool Prefix::contains(const Address &other) const {
    return address.is_v4() == other.is_v4() && same_head(address.bytes(), other.bytes(), mapped_length());
}

bool Prefix::contains(const Prefix &other) const {
    return length <= other.length && contains(other.address);
}

std::string Prefix::str() const {
    return is_host() ? address.str() : fmt::format("{}/{}", address.str(), length);
}

} // namespace lk
