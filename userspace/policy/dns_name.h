// SPDX-License-Identifier: MIT
// A host's name as DNS has it, strict: what a resolver or a script could read in another way is refused.
#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "base/result.h"

namespace lk {

class DnsName {
  public:
    DnsName() = default; // the root, which parse() never gives
    // Labels of letters, digits, - and _, each 1 to 63 bytes, 255 bytes in all on the wire; a dot at the end
    // changes nothing. An address is no name. Errors quote the text.
    static Result<DnsName> parse(std::string_view text);

    // As in a message (RFC 1035 3.1), in lower case: a length before each label, 0 at the end.
    const std::string &wire() const { return wire_; }
    std::string str() const; // in lower case, without the dot at the end

    auto operator<=>(const DnsName &) const = default;

  private:
    std::string wire_{'\0'};
};

} // namespace lk
