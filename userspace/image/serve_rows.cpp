// SPDX-License-Identifier: MIT
#include "image/serve_rows.h"

#include <arpa/inet.h>

namespace lk {

std::vector<lk_serve_net> serve_keys_of(const ServedPort &service, std::uint32_t set) {
    const auto key = [&](const Prefix &from) {
        return lk_serve_net{LK_SERVE_BITS + from.mapped_length(),
                            set,
                            htons(service.port),
                            static_cast<__u8>(service.protocol),
                            from.address.is_v4() ? __u8{4} : __u8{6},
                            from.address.abi()};
    };
    if (service.from) return {key(*service.from)};
    const std::uint8_t any4[4] = {};
    return {key(Prefix::of(Address::from_v4(any4), 0)), key(Prefix::of(Address(), 0))};
}

} // namespace lk
