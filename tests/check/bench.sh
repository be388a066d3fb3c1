#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# scripts/bench leaks --vm, interrupted, leaves no guest: with a scripts/vm that only waits, as bash waits for qemu.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/scripts/lib"
cp scripts/bench "$work/scripts/"
{
    cat scripts/lib/common.sh
    echo 'is_root() { true; }'
} >"$work/scripts/lib/common.sh"
printf '#!/bin/sh\n' >"$work/scripts/build"
cat >"$work/scripts/vm" <<-END
	#!/usr/bin/env bash
	trap 'exit 130' INT TERM HUP
	trap 'echo cleaned >>"$work/cleaned"' EXIT
	timeout -k 5 300 sh -c 'echo \$\$ >>"$work/guests"; exec sleep 300' </dev/null
END
chmod +x "$work/scripts/build" "$work/scripts/vm"

# await CONDITION...: within ten seconds.
await() {
    for _ in {1..100}; do
        ! "$@" || return 0
        sleep 0.1
    done
    return 1
}

# What runs in the background ignores SIGINT, unless it is told not to.
interrupt() {
    local signal=$1 status=0 guest
    rm -f "$work/guests" "$work/cleaned"
    env --default-signal=INT "$work/scripts/bench" leaks --vm 6.1,6.12 >"$work/log" 2>&1 &
    await test -s "$work/guests" || fail "$signal: no guest was started: $(cat "$work/log")"
    kill "-$signal" $!
    wait $! || status=$?
    [ "$status" -eq 130 ] || fail "$signal: status $status, expected 130: $(cat "$work/log")"
    [ -s "$work/cleaned" ] || fail "$signal: scripts/vm could not tidy up"
    while read -r guest; do
        ! kill -KILL "$guest" 2>/dev/null || fail "$signal: the guest $guest went on"
    done <"$work/guests"
}

interrupt INT
interrupt TERM
finish
