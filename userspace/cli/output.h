// SPDX-License-Identifier: MIT
// How commands print.
#pragma once

#include <sys/types.h>

#include <string>

namespace lk {

// The user's name; the number as text if there is none.
std::string user_name(uid_t uid);

// TEXT to stdout, with a newline at its end.
void print(const std::string &text);

} // namespace lk
