#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# scripts/setup and scripts/demo: the table is as it should be, and the machine is as it was before: name resolution,
# listeners, enabled units, running services, devices, routes, BPF programs, cgroups.
set -euo pipefail
# shellcheck source=../check/lib.sh
. "$(dirname "$0")/../check/lib.sh"
# shellcheck source=../../scripts/lib/machine_state.sh
. "$lk_root/scripts/lib/machine_state.sh"

is_root || {
    say "SKIPPED: needs root"
    exit "$skipped"
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

machine_state >"$work/before"
scripts/setup
scripts/demo >"$work/demo" 2>&1 || {
    cat "$work/demo"
    die "scripts/demo failed"
}
machine_state >"$work/after"
diff "$work/before" "$work/after" || fail "the machine changed (< before, > after)"

# Ctrl-C in the middle leaves nothing either.
"$build/tests/demo/lk_demo" >"$work/interrupted" 2>&1 &
pid=$!
sandbox_is_there() { [ -n "$(find /sys/fs/cgroup -maxdepth 2 -name "lk-demo-$pid" 2>/dev/null)" ]; }
for _ in $(seq 250); do
    ! sandbox_is_there || break
    sleep 0.02
done
sandbox_is_there || fail "no sandbox of the demo was seen"
kill -INT "$pid"
wait "$pid" && fail "an interrupted demo said that all was well"
sandbox_is_there && fail "an interrupted demo left its cgroup"
machine_state >"$work/after"
diff "$work/before" "$work/after" || fail "an interrupted demo changed the machine (< before, > after)"

# What the table must say, whatever it is worded like around it.
expect() { grep -qE "$1" "$work/demo" || fail "the demo's output lacks: $1"; }
expect '^web page, by the tunnel +inside the tunnel +inside the tunnel$'
expect '^file server on the LAN +left, as it should +left, as it should$'
expect '^web page, after the tunnel broke +LEAKED in the clear +stayed: refused after [0-9.]+ ms$'
expect '^ping +LEAKED in the clear +stayed: '
expect '^[1-9][0-9]* of these leaked without leakbpf, 0 with it\.$'
expect 'leakbpf attach .* --gw ADDRESS:PORT/udp --dns ADDRESS$'
[ "$findings" -eq 0 ] || cat "$work/demo"
finish
