#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Every test that a list of skips or of what is left out names is one: a test that was given another name would go on being
# expected, and nobody would notice that it runs nowhere.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Names of EXECUTABLE's tests, in a file whose path is printed.
tests_of() {
    local file=$work/$1 path=$build/tests/netns/$1
    if [ ! -e "$file" ]; then
        if [ -x "$path" ]; then "$path" --gtest_list_tests; fi | awk '
            /^[^ ].*\.( |$)/ { suite = $1; next }
            /^  / { print suite $1 }' >"$file"
    fi
    printf '%s\n' "$file"
}

# check WHERE EXECUTABLE NAME: NAME may have stars.
check() {
    local file one
    file=$(tests_of "$2")
    if [ ! -s "$file" ]; then
        [ -n "${missing[$2]-}" ] || fail "$1: $2 is not there, or not built: scripts/build"
        missing[$2]=yes
        return 0
    fi
    case "$3" in
    *\**) while read -r one; do
        # shellcheck disable=SC2053 # a pattern
        [[ $one != $3 ]] || return 0
    done <"$file" ;;
    *) grep -qxF -- "$3" "$file" && return 0 ;;
    esac
    fail "$1: $2 has no test $3"
}

names=0
declare -A missing
for list in tests/vm/expected/*.txt tests/netns/expected_skips.txt; do
    mapfile -t lines <"$list"
    for line in "${lines[@]}"; do
        read -r executable name _ <<<"$line"
        case "$executable" in "" | "#"*) continue ;; esac
        check "$list" "$executable" "$name"
        names=$((names + 1))
    done
done
mapfile -t lines <tests/vm/left_out
for line in "${lines[@]}"; do
    read -r entry left _ <<<"$line"
    [[ $left == =* ]] || continue
    IFS=: read -ra patterns <<<"${left#=}"
    for name in "${patterns[@]}"; do
        check tests/vm/left_out "${entry/netns./netns_}" "$name"
        names=$((names + 1))
    done
done
[ "$names" -gt 0 ] || die "found no name"
say "$names names"
finish
