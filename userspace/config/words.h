// SPDX-License-Identifier: MIT
// What the keys of a configuration are called, for messages.
#pragma once

#include <string>
#include <string_view>

#include "policy/settings.h"

namespace lk {

enum class Section { scope, container };

// The setting with this key that can stand there; null if there is none.
const Setting *setting_of_key(std::string_view key, Section section = Section::scope);

// What was probably meant by KEY, which is no key there: " did you mean ...?", or all keys there are.
std::string hint_for(std::string_view key, Section section = Section::scope);

// TEXT, written for the command line, with its options called by their keys; what it quotes stays as it is.
std::string in_keys(std::string_view text);

} // namespace lk
