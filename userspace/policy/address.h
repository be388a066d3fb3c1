// SPDX-License-Identifier: MIT
// Addresses and prefixes of both families as values. IPv4 is kept as ::ffff:a.b.c.d, as the kernel side
// keeps it (leakbpf/abi.h); lengths below are of the address's own family unless a name says "mapped".
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "leakbpf/abi.h"

namespace lk {

class Address {
  public:
    Address() = default;                               // ::
    static Address from_v4(const void *four_bytes);    // network byte order
    static Address from_v6(const void *sixteen_bytes); // network byte order
    static Address from_abi(const lk_addr &addr);
    // "198.51.100.7", "2001:db8::7". Not bracketed, no zone. Errors quote the text.
    static Result<Address> parse(std::string_view text);

    bool is_v4() const; // ::ffff:0:0/96
    unsigned width() const { return is_v4() ? 32 : 128; }
    lk_addr abi() const;
    std::string str() const;
    const std::array<std::uint8_t, 16> &bytes() const { return bytes_; }

    auto operator<=>(const Address &) const = default;

  private:
    std::array<std::uint8_t, 16> bytes_{};
};

struct Prefix {
    Address address;     // host bits are zero
    unsigned length = 0; // 0..32 or 0..128, of the address's own family

    static Prefix of(const Address &address, unsigned length); // clears host bits
    static Prefix host(const Address &address) { return of(address, address.width()); }
    // "198.51.100.0/24"; without a length a host. Host bits set: an error that shows the network meant.
    static Result<Prefix> parse(std::string_view text);

    unsigned mapped_length() const { return length + (address.is_v4() ? 96 : 0); } // 0..128
    bool is_host() const { return length == address.width(); }
    bool contains(const Address &other) const;
    bool contains(const Prefix &other) const; // equal or narrower
    bool overlaps(const Prefix &other) const { return contains(other) || other.contains(*this); }
    std::string str() const;

    auto operator<=>(const Prefix &) const = default;
};

} // namespace lk
