// SPDX-License-Identifier: MIT
// The configuration file (docs/config.md): TOML to a Document, strictly. A key that is skipped silently is a
// rule that is not enforced, so nothing is. Knows no device and no kernel; what there is of what the file
// names is control's matter.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/policy.h"

namespace lk {

inline constexpr const char *default_config = "/etc/leakbpf/leakbpf.toml";

// The document that TEXT stands for: its scopes in their order, each policy normalised and validated, cgroups
// not looked up yet. Errors are Exit::bad_input and begin with "FILE:LINE:COLUMN: "; of several the first in
// the file.
Result<Document> parse_config(std::string_view text, std::string_view file);

// The same, of the file at PATH.
Result<Document> read_config(const std::string &path);

// A [[container]]: the policy of containers that leakbpf oci-hook is called for.
struct ContainerRule {
    std::optional<std::string> id;                  // patterns of fnmatch(3), which must all match
    std::map<std::string, std::string> annotations; // by the annotation's name
    Policy policy;                                  // normalised and validated

    bool matches(const std::string &container_id,
                 const std::map<std::string, std::string> &of_container) const;
};

// The rules of a configuration in their order, of which the first that matches decides. Its scopes must be
// right, but there need be none.
Result<std::vector<ContainerRule>> parse_container_rules(std::string_view text, std::string_view file);
Result<std::vector<ContainerRule>> read_container_rules(const std::string &path);

// Everything is refused on every uplink, now and later: what holds where no configuration can be used.
Document lockdown_document();

} // namespace lk
