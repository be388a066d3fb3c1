// SPDX-License-Identifier: MIT
// The document as it is kept in the kernel: JSON with "format": 1. Reading is strict, because a key that is
// skipped silently is a rule that is not enforced.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "base/text.h"
#include "policy/policy.h"

namespace lk {
namespace {

using Json = nlohmann::json;
constexpr std::uint64_t format_version = 1;

// Names of devices and cgroups are bytes to the kernel. What is not UTF-8 is kept as {"hex": "..."}, so that
// a name never comes back changed and then guards nothing.
Json bytes_to_json(const std::string &bytes) {
    if (is_utf8(bytes)) return bytes;
    std::string hex;
    for (const char c : bytes)
        hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return {{"hex", hex}};
}

template <typename T>
Json list_to_json(const std::vector<T> &values) {
    Json list = Json::array();
    for (const auto &value : values) {
        if constexpr (std::is_same_v<T, std::string>)
            list.push_back(bytes_to_json(value));
        else if constexpr (std::is_integral_v<T>)
            list.push_back(value);
        else
            list.push_back(value.str());
    }
    return list;
}

Json policy_to_json(const Policy &policy) {
    Json users = Json::array(), cgroups = Json::array();
    for (const auto &user : policy.vpn_users)
        users.push_back({{"uid", user.uid}, {"name", bytes_to_json(user.name)}});
    for (const auto &cgroup : policy.vpn_cgroups)
        cgroups.push_back({{"path", bytes_to_json(cgroup.path)}, {"id", cgroup.id}, {"level", cgroup.level}});
    Json json{{"gateways", list_to_json(policy.gateways)},
              {"resolvers", list_to_json(policy.resolvers)},
              {"bootstrap_dns", list_to_json(policy.bootstrap)},
              {"serve", list_to_json(policy.services)},
              {"vpn_users", users},
              {"vpn_cgroups", cgroups},
              {"vpn_mark", policy.vpn_mark ? Json(policy.vpn_mark->str()) : Json(nullptr)},
              {"lan", list_to_json(policy.lan)},
              {"nat64", list_to_json(policy.nat64)},
              {"tunnels", list_to_json(policy.tunnels)},
              {"insides", list_to_json(policy.insides)},
              {"no_lan", policy.no_lan},
              {"lan_names", policy.lan_names},
              {"no_multicast", policy.no_multicast},
              {"strict", policy.strict},
              {"lockdown", policy.lockdown},
              {"pppoe", policy.pppoe},
              {"lock_sockets", policy.lock_sockets},
              {"sockets_for", list_to_json(policy.sockets_for)},
              {"action", to_string(policy.action)},
              {"hook", to_string(policy.hook)}};
    if (policy.refusal != Errno{}) json["errno"] = policy.refusal.str(); // of cgroups only
    return json;
}

Json scopes_to_json(const std::vector<Scope> &scopes) {
    Json list = Json::array();
    for (const auto &scope : scopes)
        list.push_back({{"uplinks", list_to_json(scope.uplinks)},
                        {"takes_new", scope.takes_new},
                        {"unguarded", list_to_json(scope.unguarded)},
                        {"policy", policy_to_json(scope.policy)}});
    return list;
}

// Walks the value beside its path. The first error stays; what is read after it does not matter.
class Reader {
  public:
    const std::optional<Error> &error() const { return error_; }

    void fail(const std::string &path, std::string_view what) {
        if (!error_) error_ = bad_input(fmt::format("policy document, {}: {}", path, what));
    }

    // An object with exactly these keys, each read by its function (path, value); OPTIONAL ones may be
    // missing.
    using Field = std::function<void(const std::string &, const Json &)>;
    void object(const std::string &path, const Json &json,
                const std::vector<std::pair<std::string_view, Field>> &fields,
                const std::vector<std::string_view> &optional = {}) {
        if (!json.is_object()) return fail(path, "expected an object");
        for (const auto &item : json.items()) {
            const auto known = [&](const auto &field) { return field.first == item.key(); };
            if (std::none_of(fields.begin(), fields.end(), known))
                return fail(path + "." + item.key(), "unknown key");
        }
        for (const auto &[key, read] : fields) {
            const auto found = json.find(key);
            const std::string below = fmt::format("{}.{}", path, key);
            if (found != json.end())
                read(below, *found);
            else if (std::ranges::find(optional, key) == optional.end())
                return fail(below, "missing");
        }
    }

    template <typename Read>
    void list(const std::string &path, const Json &json, Read read) {
        if (!json.is_array()) return fail(path, "expected a list");
        for (std::size_t i = 0; i < json.size() && !error_; ++i)
            read(i, json[i]);
    }

    Field into(bool &out) {
        return [this, &out](const std::string &path, const Json &json) {
            if (!json.is_boolean()) return fail(path, "expected true or false");
            out = json.get<bool>();
        };
    }

    template <typename T>
    requires std::is_integral_v<T> Field into(T &out) {
        return [this, &out](const std::string &path, const Json &json) {
            if (!json.is_number_unsigned() ||
                json.get<std::uint64_t>() > std::uint64_t{std::numeric_limits<T>::max()})
                return fail(path,
                            fmt::format("expected a number from 0 to {}", std::numeric_limits<T>::max()));
            out = json.get<T>();
        };
    }

    Field into(std::string &out) {
        return [this, &out](const std::string &path, const Json &json) { bytes(path, json, out); };
    }

    Field into(std::vector<std::string> &out) {
        return [this, &out](const std::string &path, const Json &json) {
            list(path, json, [&](std::size_t i, const Json &item) {
                bytes(fmt::format("{}[{}]", path, i), item, out.emplace_back());
            });
        };
    }

    // Lists of values with a text form. The path is only put together for an error: there are 100,000
    // gateways.
    template <typename T>
    requires requires { T::parse(std::string_view{}); }
    Field into(std::vector<T> &out) {
        return [this, &out](const std::string &path, const Json &json) {
            if (json.is_array()) out.reserve(json.size());
            list(path, json, [&](std::size_t i, const Json &item) {
                const auto *text = item.template get_ptr<const std::string *>();
                if (!text) return fail(fmt::format("{}[{}]", path, i), "expected a text");
                auto value = T::parse(*text);
                if (!value) return fail(fmt::format("{}[{}]", path, i), value.error().message);
                out.push_back(std::move(*value));
            });
        };
    }

    template <typename T>
    Field into(T &out, Result<T> (*parse)(std::string_view)) {
        return [this, &out, parse](const std::string &path, const Json &json) {
            const auto *text = json.get_ptr<const std::string *>();
            if (!text) return fail(path, "expected a text");
            auto value = parse(*text);
            if (!value) return fail(path, value.error().message);
            out = *value;
        };
    }

  private:
    void bytes(const std::string &path, const Json &json, std::string &out) {
        if (const auto *text = json.get_ptr<const std::string *>()) {
            out = *text;
            return;
        }
        std::string hex;
        if (!json.is_object() || json.size() != 1 || !json.contains("hex") || !json["hex"].is_string())
            return fail(path, "expected a text");
        hex = json["hex"].get<std::string>();
        out.clear();
        for (std::size_t i = 0; i < hex.size(); i += 2) {
            const auto byte = parse_number("0x" + hex.substr(i, 2));
            if (!byte || hex.size() % 2 != 0) return fail(path, "expected pairs of hexadecimal digits");
            out += static_cast<char>(*byte);
        }
    }

    std::optional<Error> error_;
};

void read_policy(Reader &reader, const std::string &path, const Json &json, Policy &policy) {
    const auto users = [&](const std::string &below, const Json &list) {
        reader.list(below, list, [&](std::size_t i, const Json &item) {
            auto &user = policy.vpn_users.emplace_back();
            const auto at = fmt::format("{}[{}]", below, i);
            reader.object(at, item, {{"uid", reader.into(user.uid)}, {"name", reader.into(user.name)}});
            if (auto fits = check_vpn_uid(user); !fits) reader.fail(at, fits.error().message);
        });
    };
    const auto cgroups = [&](const std::string &below, const Json &list) {
        reader.list(below, list, [&](std::size_t i, const Json &item) {
            auto &cgroup = policy.vpn_cgroups.emplace_back();
            reader.object(fmt::format("{}[{}]", below, i), item,
                          {{"path", reader.into(cgroup.path)},
                           {"id", reader.into(cgroup.id)},
                           {"level", reader.into(cgroup.level)}});
        });
    };
    const auto mark = [&](const std::string &below, const Json &value) {
        if (value.is_null()) return;
        reader.into(policy.vpn_mark.emplace(), Fwmark::parse)(below, value);
    };
    reader.object(path, json,
                  {{"gateways", reader.into(policy.gateways)},
                   {"resolvers", reader.into(policy.resolvers)},
                   {"bootstrap_dns", reader.into(policy.bootstrap)},
                   {"serve", reader.into(policy.services)},
                   {"vpn_users", users},
                   {"vpn_cgroups", cgroups},
                   {"vpn_mark", mark},
                   {"lan", reader.into(policy.lan)},
                   {"nat64", reader.into(policy.nat64)},
                   {"tunnels", reader.into(policy.tunnels)},
                   {"insides", reader.into(policy.insides)},
                   {"no_lan", reader.into(policy.no_lan)},
                   {"lan_names", reader.into(policy.lan_names)},
                   {"no_multicast", reader.into(policy.no_multicast)},
                   {"strict", reader.into(policy.strict)},
                   {"lockdown", reader.into(policy.lockdown)},
                   {"pppoe", reader.into(policy.pppoe)},
                   {"lock_sockets", reader.into(policy.lock_sockets)},
                   {"sockets_for", reader.into(policy.sockets_for)},
                   {"action", reader.into(policy.action, parse_action)},
                   {"hook", reader.into(policy.hook, parse_hook)},
                   {"errno", reader.into(policy.refusal, Errno::parse)}},
                  {"errno"});
}

Reader::Field ifindexes(Reader &reader, std::vector<int> &out) {
    return [&reader, &out](const std::string &path, const Json &json) {
        reader.list(path, json, [&](std::size_t i, const Json &item) {
            reader.into(out.emplace_back())(fmt::format("{}[{}]", path, i), item);
        });
    };
}

void read_scope(Reader &reader, const std::string &path, const Json &json, Scope &scope) {
    const auto policy = [&](const std::string &below, const Json &value) {
        read_policy(reader, below, value, scope.policy);
    };
    reader.object(path, json,
                  {{"uplinks", reader.into(scope.uplinks)},
                   {"takes_new", reader.into(scope.takes_new)},
                   {"unguarded", ifindexes(reader, scope.unguarded)},
                   {"policy", policy}});
}

Reader::Field scopes_into(Reader &reader, std::vector<Scope> &out) {
    return [&reader, &out](const std::string &path, const Json &json) {
        reader.list(path, json, [&](std::size_t i, const Json &item) {
            read_scope(reader, fmt::format("{}[{}]", path, i), item, out.emplace_back());
        });
    };
}

Reader::Field portal_into(Reader &reader, std::optional<Portal> &out) {
    return [&reader, &out](const std::string &path, const Json &json) {
        Portal &portal = out.emplace();
        const auto routers = [&](const std::string &below, const Json &list) {
            reader.list(below, list, [&](std::size_t i, const Json &item) {
                Router &router = portal.routers.emplace_back();
                reader.object(fmt::format("{}[{}]", below, i), item,
                              {{"ifindex", reader.into(router.ifindex)},
                               {"address", reader.into(router.address, Address::parse)}});
            });
        };
        reader.object(path, json,
                      {{"until_boottime_ns", reader.into(portal.until_ns)}, {"routers", routers}});
    };
}

Reader::Field trial_into(Reader &reader, std::optional<Trial> &out) {
    return [&reader, &out](const std::string &path, const Json &json) {
        Trial &trial = out.emplace();
        reader.object(path, json,
                      {{"deadline_boottime_ns", reader.into(trial.deadline_ns)},
                       {"before", scopes_into(reader, trial.before)},
                       {"guarded_before", ifindexes(reader, trial.guarded_before)}});
    };
}

// nlohmann keeps the last of two equal keys without a word.
std::optional<std::string> doubled_key(std::vector<std::set<std::string>> &seen, Json::parse_event_t event,
                                       const Json &parsed) {
    if (event == Json::parse_event_t::object_start) seen.emplace_back();
    if (event == Json::parse_event_t::object_end) seen.pop_back();
    if (event == Json::parse_event_t::key) {
        auto key = parsed.get<std::string>();
        if (!seen.back().insert(key).second) return key;
    }
    return {};
}

} // namespace

std::string to_json(const Document &document) {
    Json json{{"format", format_version}, {"scopes", scopes_to_json(document.scopes)}};
    // Only where there is one: what knows no deadline must not take the document for one it understands.
    if (document.trial)
        json["trial"] = {{"deadline_boottime_ns", document.trial->deadline_ns},
                         {"before", scopes_to_json(document.trial->before)},
                         {"guarded_before", list_to_json(document.trial->guarded_before)}};
    if (document.portal) {
        Json routers = Json::array();
        for (const Router &router : document.portal->routers)
            routers.push_back({{"ifindex", router.ifindex}, {"address", router.address.str()}});
        json["portal"] = {{"until_boottime_ns", document.portal->until_ns}, {"routers", routers}};
    }
    return json.dump();
}

Result<Document> document_from_json(std::string_view json) {
    std::vector<std::set<std::string>> seen;
    std::optional<std::string> doubled;
    const auto watch = [&](int, Json::parse_event_t event, Json &parsed) {
        if (auto key = doubled_key(seen, event, parsed); key && !doubled) doubled = key;
        return true;
    };
    const Json root = Json::parse(json, watch, false);
    if (root.is_discarded()) return bad_input("policy document: not JSON");
    if (doubled) return bad_input(fmt::format("policy document: the key {} is there twice", quote(*doubled)));

    // The version before all else: another format may have other keys.
    if (root.is_object() && root.contains("format") && root["format"] != format_version)
        return bad_input(fmt::format("policy document, $.format: {} is of another leakbpf: expected {}",
                                     root["format"].dump(), format_version));
    Reader reader;
    Document document;
    std::uint64_t format = 0;
    reader.object("$", root,
                  {{"format", reader.into(format)},
                   {"scopes", scopes_into(reader, document.scopes)},
                   {"trial", trial_into(reader, document.trial)},
                   {"portal", portal_into(reader, document.portal)}},
                  {"trial", "portal"});
    if (reader.error()) return *reader.error();
    return document;
}

} // namespace lk
