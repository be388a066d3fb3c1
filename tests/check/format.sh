#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Every C and C++ file is as .clang-format writes it.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tracked '*.c' '*.cpp' '*.h' | xargs -r clang-format --dry-run -Werror
