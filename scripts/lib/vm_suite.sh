# SPDX-License-Identifier: MIT
# The test suite in a guest: which of ctest's entries run there, and what came of it.
# Sourced; needs common.sh and the other vm_*.sh.
# shellcheck shell=bash disable=SC2154

vm_tests=$lk_root/tests/vm

# A list's lines "REGEX why" that match NAME?
vm_listed() {
    local list=$1 name=$2 pattern rest
    while read -r pattern rest; do
        case "$pattern" in "" | "#"*) continue ;; esac
        [[ $name =~ ^($pattern)$ ]] && return
    done <"$list"
    return 1
}

# Entries of BUILD with the labels PATTERN as LABEL NAME SECONDS COMMAND lines, but those that left_out names.
vm_entries() {
    local build=$1 pattern=$2 label name rest
    ctest --test-dir "$build" --show-only=json-v1 -L "^($pattern)\$" |
        jq -r '.tests[] | select(.command) | (.properties | map({(.name): .value}) | add) as $of
            | "\($of.LABELS - ["check"] | .[0]) \(.name) \($of.TIMEOUT // 300 | floor) \(.command | @sh)"' |
        while read -r label name rest; do
            vm_listed "$vm_tests/left_out" "$name" || printf '%s %s %s\n' "$label" "$name" "$rest"
        done
}

# vm_run_suite KERNEL BUILD LABELS SECONDS DIR: output and records of the guest in DIR/output, console in DIR/console.
vm_run_suite() {
    local kernel=$1 build=$2 labels=$3 seconds=$4 dir=$5 file
    mkdir -p "$dir"
    vm_entries "$build" "$labels" >"$dir/entries"
    [ -s "$dir/entries" ] || die "no test with the labels $labels in $build: run scripts/build"
    printf 'exec /bin/sh /lk/run_list /lk/entries 4\n' >"$dir/command"
    printf "LK_LOAD='tun'\n" >"$dir/config"
    {
        vm_tools
        printf '%s\n' "$build/userspace/leakbpf"
        grep -oE "'/[^']*'" "$dir/entries" | tr -d "'" | while read -r file; do [ ! -f "$file" ] || printf '%s\n' "$file"; done
    } | sort -u >"$dir/files"
    mkdir -p "$dir/own"
    cp "$vm_tests/run_list" "$dir/entries" "$dir/own/"
    vm_boot "$kernel" "$seconds" "$dir" >"$dir/output"
}

vm_records() { sed -n "s/^::lk $2 //p" "$1/output"; }

# Differences between what was skipped and what KERNEL's list says, both ways; and entries that told nothing.
vm_findings() {
    local kernel=$1 dir=$2 status=$3 name
    while read -r _ name _; do
        vm_records "$dir" result | grep -q "^[a-z_]* $name " || say "$name: told nothing (the guest's status: $status)"
    done <"$dir/entries"
    vm_records "$dir" result | while read -r _ name status _; do
        case $status in 0 | 77) ;; *) say "$name: status $status" ;; esac
    done
    sed 's/ *#.*//; /^$/d' "$vm_tests/expected/$kernel.txt" | sort -u >"$dir/expected"
    vm_records "$dir" skip | sort -u >"$dir/skipped"
    comm -13 "$dir/expected" "$dir/skipped" | sed 's/^/skipped, but not on the list: /'
    comm -23 "$dir/expected" "$dir/skipped" | sed 's/^/on the list, but not skipped: /'
}

# "KERNEL LABEL PASSED SKIPPED FAILED SECONDS" for each label.
vm_rows() {
    local kernel=$1 dir=$2
    awk -v kernel="$kernel" '
        FILENAME == ARGV[1] { entries[$1]++; next }
        $1 == "::lk" && $2 == "result" {
            told[$3]++; passed[$3] += $6; skipped[$3] += $8; seconds[$3] += $9
            if ($5 != 0 && $5 != 77) failed[$3] += $7 > 0 ? $7 : 1
        }
        END {
            for (label in entries)
                print kernel, label, passed[label] + 0, skipped[label] + 0, failed[label] + entries[label] - told[label], seconds[label] + 0
        }' "$dir/entries" "$dir/output" | sort
}

# Rows as people read them.
vm_table() {
    awk 'BEGIN { printf "%-8s %-10s %7s %8s %7s %8s\n", "kernel", "label", "passed", "skipped", "failed", "seconds" }
        { printf "%-8s %-10s %7d %8d %7d %8d\n", $1, $2, $3, $4, $5, $6 }'
}
