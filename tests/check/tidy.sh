#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# clang-tidy finds nothing in userspace/. A file that was clean is not looked at again until it, a header of the
# project that it includes, or .clang-tidy changes: the key of its content is kept in BUILD/tidy.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

export build
export cache=$build/tidy
mkdir -p "$cache"
common=$({ clang-tidy --version; cat .clang-tidy; } | sha256sum)
export common

# What a source includes of the project, as the compiler says.
key_of() {
    local source=$1 headers
    headers=$(g++ -std=c++20 -MM -MG -Iuserspace -Iinclude -Ibpf -isystem "$build/bpf" "$source" |
        grep -oE '(^|[ /])(userspace|include|bpf)/[^ ]+' | tr -d ' ' | sort -u)
    # shellcheck disable=SC2086 # a list of files without spaces
    { printf '%s' "$common"; cat $headers; } | sha256sum | cut -d' ' -f1
}

tidy() {
    local source=$1 key
    key=$(key_of "$source")
    [ ! -e "$cache/$key" ] || return 0
    clang-tidy --quiet -p "$build" "$source" 2>"$cache/$key.err" || {
        grep -v 'warnings generated' "$cache/$key.err" || true
        rm -f "$cache/$key.err"
        printf '%s: clang-tidy\n' "$source"
        return 1
    }
    rm -f "$cache/$key.err"
    : >"$cache/$key"
}
export -f key_of tidy

[ -e "$build/compile_commands.json" ] || die "$build/compile_commands.json is not there: run scripts/build"
# shellcheck disable=SC2016 # the inner shell expands it
tracked 'userspace/*.cpp' | xargs -r -P "$(nproc)" -I{} bash -c 'tidy "$1"' _ {}
