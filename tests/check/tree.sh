#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Rules of the tree that no compiler knows. tree.sh length|spdx|paths|rooms
set -euo pipefail
what=$1
shift
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# A file past 600 lines holds more than one thing.
check_length() {
    local file lines
    while read -r file; do
        lines=$(wc -l <"$file")
        [ "$lines" -le 600 ] || fail "$file: $lines lines, 600 at most"
    done < <(tracked ':!*.md' ':!docs' ':!LICENSES')
}

# What is compiled for the kernel has its licence; headers that both sides of a test read may have either.
check_spdx() {
    local file wanted kernel='SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)'
    while read -r file; do
        case "$file" in
        *.bpf.c | bpf/*.h | include/*) wanted=$kernel ;;
        tests/*.h) head -n 3 "$file" | grep -qF "$kernel" && continue ;;&
        *) wanted='SPDX-License-Identifier: MIT' ;;
        esac
        head -n 3 "$file" | grep -qF "$wanted" || fail "$file: the first lines do not say «$wanted»"
    done < <(tracked '*.c' '*.cpp' '*.h' '*.sh' 'scripts/*' '.ci/*')
}

# A path of the machine somebody worked on, or a URL of its package mirror, works nowhere else.
check_paths() {
    local hits
    hits=$(tracked ':!tests/check/tree.sh' | xargs -r grep -nIE '(^|[^A-Za-z0-9_.])/(work|home/[a-z]+|root)/[A-Za-z.]|/tmp/(brief|issue)' || true)
    [ -z "$hits" ] || fail "$hits"
}

# base policy config net image kernel control render cli: each includes only those before it. main.cpp and judge.c(pp) of
# image may include bpf/ too: there the decision code is compiled natively.
check_rooms() {
    local order=(base policy config net image kernel control render cli)
    local i j file included allowed
    for i in "${!order[@]}"; do
        [ -d "userspace/${order[i]}" ] || continue
        allowed=" "
        for ((j = 0; j <= i; j++)); do allowed+="${order[j]} "; done
        while IFS=: read -r file included; do
            case "$allowed" in
            *" $included "*) ;;
            *) case " ${order[*]} " in
                *" $included "*) fail "$file: room ${order[i]} includes room $included, which comes after it" ;;
                esac ;;
            esac
        done < <(grep -rHoE '^ *# *include "[a-z_]+/' "userspace/${order[i]}" | sed -E 's/: *# *include "([a-z_]+)\//:\1/')
    done
}

case "$what" in
length) check_length ;;
spdx) check_spdx ;;
paths) check_paths ;;
rooms) check_rooms ;;
*) die "unknown rule «$what»" ;;
esac
finish
