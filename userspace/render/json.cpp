// SPDX-License-Identifier: MIT
#include "render/json.h"

namespace lk {

OrderedJson scopes_to_json(const Document &document) {
    return OrderedJson::parse(to_json(document)).at("scopes");
}

OrderedJson follower_to_json(const std::optional<pid_t> &follower) {
    return follower ? OrderedJson{{"pid", *follower}} : OrderedJson(nullptr);
}

std::string dumped(const OrderedJson &json, bool indented) {
    return json.dump(indented ? 2 : -1, ' ', false, OrderedJson::error_handler_t::replace);
}

} // namespace lk
