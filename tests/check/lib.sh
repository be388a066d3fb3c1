# SPDX-License-Identifier: MIT
# What the checks share. Sourced with the repository's root in $1 and the build directory in $2.
# shellcheck shell=bash disable=SC2034,SC2154

# shellcheck source=../../scripts/lib/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib/common.sh"
build=${1:-$lk_root/build/dev}
skipped=77
cd "$lk_root" || exit 1

# Tracked files, and new ones that nobody ignores; the owner of the clone may be somebody else (sudo).
tracked() { git -c safe.directory="$lk_root" ls-files --cached --others --exclude-standard -- "$@" | existing; }
existing() {
    local f
    while read -r f; do [ ! -f "$f" ] || printf '%s\n' "$f"; done
}

# fail LINE...: reports one finding; finish says how many there were and ends the check.
findings=0
fail() {
    findings=$((findings + 1))
    printf '%s\n' "$*"
}
finish() {
    [ "$findings" -eq 0 ] || die "$findings finding(s)"
    exit 0
}
