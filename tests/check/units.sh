#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# systemd takes the units as they are written, and they leave it no more than they need.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

most_exposed=3.5 # of 10; what a program costs that loads BPF and configures the network
command -v systemd-analyze >/dev/null || exit "$skipped"

for unit in leakbpf-early.service leakbpf.service; do
    file=$build/packaging/$unit
    [ -f "$file" ] || die "$file is not there: run scripts/build"
    # Its complaints about other units of this machine are none of ours.
    if ! said=$(SYSTEMD_UNIT_PATH=$build/packaging: systemd-analyze verify --man=no --recursive-errors=no "$file" 2>&1); then
        fail "$unit: $said"
    fi
    while read -r line; do
        fail "$unit: $line"
    done < <(grep -E "leakbpf[a-z-]*\.service" <<<"$said" || true)
    said=$(systemd-analyze security --offline=true --threshold=100 --no-pager "$file" 2>&1) || fail "$unit: $said"
    exposure=$(sed -n 's/.*Overall exposure level for [^:]*: \([0-9.]*\).*/\1/p' <<<"$said")
    [ -n "$exposure" ] || fail "$unit: no exposure level in: $said"
    say "$unit: exposure $exposure"
    awk -v a="$exposure" -v b="$most_exposed" 'BEGIN { exit !(a <= b) }' || fail "$unit: exposure $exposure, at most $most_exposed"
    # Each line of the sandbox has its reason.
    while read -r key; do
        grep -q "\`$key" docs/systemd.md || fail "docs/systemd.md gives no reason for $key of $unit"
    done < <(sed -n '/^\[Service\]/,/^\[Install\]/ s/^\([A-Za-z]*\)=.*/\1/p' "$file" | sort -u)
done
finish
