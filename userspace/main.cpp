// SPDX-License-Identifier: MIT
// leakbpf: an egress filter that lets out what a policy names and nothing else. See cli/ for the commands.
#include <string>
#include <vector>

#include "cli/cli.h"

int main(int argc, char **argv) {
    const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
    return static_cast<int>(lk::run_command_line(arguments));
}
