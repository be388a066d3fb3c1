#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The chaos run must be able to fail: with the filter taken off in the middle, and with the follower stopped.
# usage: can_fail.sh BUILD_DIRECTORY
set -euo pipefail
for fault in detach follower; do
    status=0
    out=$("$1/tests/chaos/lk_chaos" --seed 1 --actions 12 --fault "$fault" 2>&1) || status=$?
    [ "$status" -ne 77 ] || exit 77
    if [ "$status" -ne 1 ] || ! grep -q '^LEAKED' <<<"$out"; then
        printf '%s\n' "$out" "--fault $fault: exit status $status, and 1 with a leak told was expected"
        exit 1
    fi
done
