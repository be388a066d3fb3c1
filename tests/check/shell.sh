#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Nothing for shellcheck to find in the scripts: every tracked file that is named *.sh or begins with a bash line.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
scripts=()
while read -r file; do
    case "$file" in
    *.sh) scripts+=("$file") ;;
    *) if head -c 30 "$file" | head -n 1 | tr -d '\0' | grep -qE '^#!.*\b(bash|sh)$'; then scripts+=("$file"); fi ;;
    esac
done < <(tracked .)
[ ${#scripts[@]} -gt 0 ] || die "found no script"
shellcheck "${scripts[@]}"
say "${#scripts[@]} scripts"
