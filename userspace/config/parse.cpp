// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <map>

#include "base/text.h"
#include "config/config.h"
#include "config/words.h"

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

namespace lk {

namespace {

using Place = toml::source_position;

std::string shown(const toml::node &node) {
    if (const auto *text = node.as_string()) return quote(text->get());
    if (const auto *number = node.as_integer()) return fmt::format("the number {}", number->get());
    if (const auto *truth = node.as_boolean()) return truth->get() ? "true" : "false";
    if (node.is_array()) return "a list";
    if (node.is_table()) return "a table";
    return node.is_floating_point() ? "a number with a fraction" : "a date or time";
}

// Walks the tables. The order of a TOML table is that of its keys: of all that is wrong the first by its
// place is told.
class Reader {
  public:
    explicit Reader(std::string_view file) : file_(file) {}

    struct Read {
        Document document;
        std::vector<ContainerRule> rules;
    };

    Result<Read> all(const toml::table &root, bool needs_scopes) {
        Read read;
        for (const auto &[key, node] : root) {
            if (key.str() == "scope")
                tables(key.str(), node, [&](const toml::table &table) {
                    places_.push_back(table.source().begin);
                    read.document.scopes.push_back(scope(table));
                });
            else if (key.str() == "container")
                tables(key.str(), node, [&](const toml::table &table) { read.rules.push_back(rule(table)); });
            else if (setting_of_key(key.str()) || key.str() == "interfaces" || key.str() == "only")
                fail(key.source().begin,
                     fmt::format("{} stands outside of a scope: write [[scope]] on a line above it",
                                 key.str()));
            else
                fail(key.source().begin,
                     fmt::format("there is no key {} here: expected [[scope]] or [[container]] only",
                                 quote(key.str())));
        }
        if (!wrong_ && needs_scopes && read.document.scopes.empty())
            fail({1, 1}, "there is no [[scope]] in it, so nothing would be guarded");
        if (!wrong_) together(read.document);
        if (wrong_) return bad_input(message_);
        return read;
    }

    // What the parser of TOML itself says.
    Error broken(const toml::parse_error &error) {
        fail(error.source().begin, fmt::format("this is no TOML: {}", plain(error.description())));
        return bad_input(message_);
    }

  private:
    // toml++ quotes what it read with the bytes that were read.
    static std::string plain(std::string_view text) {
        const std::string quoted = quote(text);
        return quoted.substr(1, quoted.size() - 2);
    }

    void fail(const Place &place, const std::string &what) {
        if (wrong_ && !(place < *wrong_)) return;
        wrong_ = place;
        message_ = fmt::format("{}:{}:{}: {}", file_, place.line, place.column, what);
    }

    template <typename Take>
    void tables(std::string_view name, const toml::node &node, Take take) {
        const auto *list = node.as_array();
        if (!list)
            return fail(node.source().begin,
                        fmt::format("expected [[{}]], with two brackets on each side", name));
        for (const toml::node &each : *list) {
            const auto *table = each.as_table();
            if (!table)
                return fail(each.source().begin,
                            fmt::format("{0}: {1}, expected a table under [[{0}]]", name, shown(each)));
            take(*table);
        }
    }

    Scope scope(const toml::table &table) {
        Scope scope;
        for (const auto &[key, node] : table) {
            if (key.str() == "interfaces") {
                words(key.str(), node, "device names, such as [\"eth0\"]",
                      [&](std::string_view word) -> Result<void> {
                          Result<std::string> name = parse_device(word);
                          if (!name) return name.error();
                          if (std::ranges::find(scope.uplinks, *name) == scope.uplinks.end())
                              scope.uplinks.push_back(*std::move(name));
                          return {};
                      });
            } else if (key.str() == "only") {
                if (const auto only = flag(key.str(), node)) scope.takes_new = !*only;
            } else if (const Setting *known = setting_of_key(key.str())) {
                setting(*known, node, scope.policy);
            } else {
                fail(key.source().begin,
                     fmt::format("there is no key {}: {}", quote(key.str()), hint_for(key.str())));
            }
        }
        finish(table, scope.policy);
        return scope;
    }

    ContainerRule rule(const toml::table &table) {
        ContainerRule rule;
        for (const auto &[key, node] : table) {
            if (key.str() == "id") {
                rule.id = pattern(key.str(), node);
            } else if (key.str() == "annotations") {
                const auto *names = node.as_table();
                if (!names)
                    fail(node.source().begin,
                         fmt::format("annotations: {}, expected {{ \"NAME\" = \"PATTERN\" }}", shown(node)));
                else
                    for (const auto &[name, value] : *names)
                        rule.annotations[std::string(name.str())] = pattern(quote(name.str()), value);
            } else if (const Setting *known = setting_of_key(key.str(), Section::container)) {
                setting(*known, node, rule.policy);
            } else {
                fail(key.source().begin,
                     fmt::format("there is no key {} of a container: {}", quote(key.str()),
                                 hint_for(key.str(), Section::container)));
            }
        }
        if (!wrong_ && !rule.id && rule.annotations.empty())
            fail(table.source().begin,
                 "it does not say for which containers: expected annotations or id (id = \"*\": for all)");
        finish(table, rule.policy);
        return rule;
    }

    std::string pattern(std::string_view key, const toml::node &node) {
        if (const auto *text = node.as_string()) return text->get();
        fail(node.source().begin,
             fmt::format("{}: {}, expected a pattern in quotes, such as \"web-*\"", key, shown(node)));
        return "";
    }

    void finish(const toml::table &table, Policy &policy) {
        policy = normalise(std::move(policy));
        if (wrong_) return;
        if (Result<void> valid = validate(policy); !valid)
            fail(table.source().begin, in_keys(valid.error().message));
    }

    void setting(const Setting &setting, const toml::node &node, Policy &policy) {
        const auto take = [&](std::string_view word) { return setting.take(word, policy); };
        switch (setting.kind) {
        case Setting::Kind::flag:
            if (flag(setting.key, node).value_or(false)) (void)setting.take("", policy);
            break;
        case Setting::Kind::word:
            if (const auto *text = node.as_string())
                value(setting.key, node, text->get(), take);
            else
                fail(node.source().begin, fmt::format("{}: {}, expected a text in quotes of the form {}",
                                                      setting.key, shown(node), setting.form));
            break;
        case Setting::Kind::list:
            words(setting.key, node, fmt::format("texts in quotes of the form {}", setting.form), take);
            break;
        }
    }

    std::optional<bool> flag(std::string_view key, const toml::node &node) {
        if (const auto *truth = node.as_boolean()) return truth->get();
        fail(node.source().begin, fmt::format("{}: {}, expected true or false", key, shown(node)));
        return {};
    }

    template <typename Take>
    void value(std::string_view key, const toml::node &node, std::string_view word, Take take) {
        if (Result<void> taken = take(word); !taken) {
            const std::string why = in_keys(taken.error().message);
            const bool told =
                why.starts_with(fmt::format("{}: ", key)) || why.starts_with(fmt::format("{} takes", key));
            fail(node.source().begin, told ? why : fmt::format("{}: {}", key, why));
        }
    }

    template <typename Take>
    void words(std::string_view key, const toml::node &node, const std::string &expected, Take take) {
        const auto *list = node.as_array();
        if (!list)
            return fail(node.source().begin,
                        fmt::format("{}: {}, expected a list in brackets of {}", key, shown(node), expected));
        for (const toml::node &each : *list) {
            if (const auto *text = each.as_string())
                value(key, each, text->get(), take);
            else
                fail(each.source().begin,
                     fmt::format("{}: {} in the list, expected {}", key, shown(each), expected));
        }
    }

    // What the scopes are to each other: each must guard something, and no uplink two ways.
    void together(const Document &document) {
        std::map<std::string, std::size_t> named;
        std::size_t taking = document.scopes.size();
        for (std::size_t i = 0; i < document.scopes.size(); ++i)
            if (document.scopes[i].takes_new) taking = i;
        for (std::size_t i = 0; i < document.scopes.size(); ++i) {
            const Scope &scope = document.scopes[i];
            if (scope.uplinks.empty() && !scope.takes_new)
                fail(places_[i], "only = true and no interfaces: this scope guards nothing");
            else if (scope.uplinks.empty() && i != taking)
                fail(places_[i],
                     "this scope names no interfaces, and a scope further down takes all that no scope "
                     "names: it guards nothing");
            for (const std::string &name : scope.uplinks)
                if (const auto [at, fresh] = named.try_emplace(name, i); !fresh)
                    fail(places_[i],
                         fmt::format("the interface {} is in scope {} already: expected each in one",
                                     quote(name), at->second + 1));
        }
    }

    std::string_view file_;
    std::vector<Place> places_; // of the scopes
    std::optional<Place> wrong_;
    std::string message_;
};

} // namespace

namespace {

Result<Reader::Read> parse(std::string_view text, std::string_view file, bool needs_scopes) {
    Reader reader(file);
    const toml::parse_result parsed = toml::parse(text, file);
    if (!parsed) return reader.broken(parsed.error());
    return reader.all(parsed.table(), needs_scopes);
}

} // namespace

Result<Document> parse_config(std::string_view text, std::string_view file) {
    Result<Reader::Read> read = parse(text, file, true);
    if (!read) return read.error();
    return std::move(read->document);
}

Result<std::vector<ContainerRule>> parse_container_rules(std::string_view text, std::string_view file) {
    Result<Reader::Read> read = parse(text, file, false);
    if (!read) return read.error();
    return std::move(read->rules);
}

bool ContainerRule::matches(const std::string &container_id,
                            const std::map<std::string, std::string> &of_container) const {
    const auto fits = [](const std::string &pattern, const std::string &value) {
        return ::fnmatch(pattern.c_str(), value.c_str(), 0) == 0;
    };
    if (id && !fits(*id, container_id)) return false;
    return std::ranges::all_of(annotations, [&](const auto &each) {
        const auto there = of_container.find(each.first);
        return there != of_container.end() && fits(each.second, there->second);
    });
}

} // namespace lk
