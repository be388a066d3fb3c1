// SPDX-License-Identifier: MIT
// From the words of a command line to a command that runs. Nothing is touched while parsing: all that is
// wrong with the words themselves is said before anything of the machine is looked at (user names aside).
#pragma once

#include <string>
#include <vector>

#include "base/exit_status.h"
#include "base/result.h"
#include "cli/command.h"

namespace lk {

struct Invocation {
    std::string command; // "attach", ...; empty where only TEXT is asked for
    Globals globals;
    Run run;
    std::string text; // the answer to --help and --version
};

// ARGUMENTS without the program's own name. Errors are Exit::bad_input and quote the word that is wrong.
Result<Invocation> parse_command_line(const std::vector<std::string> &arguments);

// Parses, enters --netns, runs; answers on stdout, an error as one line on stderr.
Exit run_command_line(const std::vector<std::string> &arguments);

} // namespace lk
