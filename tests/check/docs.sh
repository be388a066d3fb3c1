#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# README and man page name every command, option and exit code that the program has, the man page is well-formed, and
# links between our pages lead somewhere.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

leakbpf=$build/userspace/leakbpf
man=docs/man/leakbpf.8
man_text=$(sed 's/\\-/-/g; s/\\~/ /g' "$man")
commands=$("$leakbpf" --help | sed -n '/^Subcommands:/,$ s/^  \([a-z-]\+\) .*/\1/p')
[ -n "$commands" ] || die "leakbpf --help lists no commands"
words=$commands
for command in "" $commands; do
    # shellcheck disable=SC2086 # no word without a command
    words+=" $("$leakbpf" $command --help | grep -oE '(^|[ ,])--[a-z0-9-]+' | tr -d ' ,')"
done
for word in $(tr ' ' '\n' <<<"$words" | sort -u); do
    [ "$word" != --help ] || continue
    grep -qE -- "(^|[^a-z-])$word([^a-z-]|$)" <<<"$man_text" || fail "$man does not mention $word"
    grep -qE -- "(^|[^a-z-])$word([^a-z-]|$)" README.md || fail "README.md does not mention $word"
done

while read -r code; do
    grep -qE "^\.B $code\$" "$man" || fail "$man does not explain exit code $code"
    grep -qE "^\| $code \|" README.md || fail "README.md does not explain exit code $code"
done < <(sed -n 's/^    [a-z_]* = \([0-9]*\).*/\1/p' userspace/base/exit_status.h)

trouble=$(groff -man -Tutf8 -ww "$man" 2>&1 >/dev/null)
[ -z "$trouble" ] || fail "$trouble"

for page in README.md CHANGELOG.md docs/*.md; do
    while read -r target; do
        [ -e "$(dirname "$page")/$target" ] || fail "$page: link to $target leads nowhere"
    done < <(grep -oE '\]\([^)#: ]+\)' "$page" | sed 's/^](\(.*\))$/\1/')
done
finish
