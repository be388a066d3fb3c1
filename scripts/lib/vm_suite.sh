# SPDX-License-Identifier: MIT
# The test suite in a guest: which of ctest's entries run there, and what came of it.
# Sourced; needs common.sh and the other vm_*.sh.
# shellcheck shell=bash disable=SC2154

vm_tests=$lk_root/tests/vm
vm_whole=no # yes: what left_out deals out among the kernels runs whole on each

# vm_entries KERNEL BUILD LABELS ONLY: LABEL NAME SECONDS COMMAND lines, but what tests/vm/left_out names; without COMMAND
# where the test's program is not built. What the verifier says comes first: a guest that runs out of time has told it.
vm_entries() {
    local kernel=$1 build=$2 pattern=$3 only=$4 label name seconds command without
    ctest --test-dir "$build" --show-only=json-v1 -L "^($pattern)\$" |
        jq -r '.tests[] | (.properties | map({(.name): .value}) | add) as $of
            | "\($of.LABELS - ["check"] | .[0]) \(.name) \($of.TIMEOUT // 300 | floor) \(.command // [] | @sh)"' |
        while read -r label name seconds command; do
            [[ $name =~ ^($only)$ ]] || continue
            vm_leaves_out "$kernel" "$name" && continue
            if [ -z "$command" ]; then
                printf '%s %s %s\n' "$label" "$name" "$seconds"
                continue
            fi
            without=$(vm_left_out_of "$name")
            [ -z "$without" ] || command="env GTEST_FILTER='-$without' $command"
            printf '%s %s %s %s\n' "$label" "$name" "$seconds" "$(vm_part_of "$kernel" "$name")$command"
        done | sort -s -k 1,1r
}

# A part of an entry with very many tests, each kernel another: tests/harness/part.h. All on the running kernel.
vm_part_of() {
    local kernel=$1 name=$2 pattern parts rest index
    [ "$kernel" != here ] && [ $vm_whole = no ] || return 0
    while read -r pattern parts rest; do
        case "$pattern$parts" in "#"* | *=*) continue ;; esac
        if [[ $parts == %* && $name =~ ^($pattern)$ ]]; then
            for index in "${!vm_kernels[@]}"; do
                [ "${vm_kernels[index]}" != "$kernel" ] || break
            done
            [[ $rest =~ ^but\ ([^ ]+) ]] && rest=:${BASH_REMATCH[1]} || rest=
            printf 'env LK_PART=%s/%s%s ' "$((index % ${parts#%}))" "${parts#%}" "$rest"
            return 0
        fi
    done <"$vm_tests/left_out"
}

# vm_leaves_out KERNEL NAME: is the whole entry left out there?
vm_leaves_out() {
    local kernel=$1 name=$2 pattern second rest
    while read -r pattern second rest; do
        case "$pattern$second" in "" | "#"* | *=* | *%*) continue ;; esac
        if [[ $second == @* && ( $vm_whole = yes || ",here,${second#@}," == *",$kernel,"* ) ]]; then continue; fi
        [[ $name =~ ^($pattern)$ ]] && return
    done <"$vm_tests/left_out"
    return 1
}

# The tests of entry NAME that are left out, as GoogleTest wants them.
vm_left_out_of() { awk -v name="$1" '$1 == name && $2 ~ /^=/ { print substr($2, 2) }' "$vm_tests/left_out"; }

# vm_run_suite KERNEL BUILD LABELS ONLY SECONDS DIR: output and records of the guest in DIR/output, console in DIR/console.
vm_run_suite() {
    local kernel=$1 build=$2 labels=$3 only=$4 seconds=$5 dir=$6 file
    mkdir -p "$dir"
    vm_entries "$kernel" "$build" "$labels" "$only" >"$dir/entries"
    vm_without "$dir" netns.cgroup_oci crun runc
    vm_without "$dir" netns.cgroup_podman podman conmon runc
    [ -s "$dir/entries" ] || die "no test with the labels $labels in $build: run scripts/build"
    # shellcheck disable=SC2016 # the guest expands it
    echo 'exec /bin/sh "$LK_DIR/run_list" "$LK_DIR/entries" 4' >"$dir/command"
    printf "LK_LOAD='tun ovpn'\n" >"$dir/config"
    {
        vm_tools
        printf '%s\n' "$build/userspace/leakbpf"
        grep -oE "'/[^']*'" "$dir/entries" | tr -d "'" | while read -r file; do [ ! -f "$file" ] || printf '%s\n' "$file"; done
    } | sort -u >"$dir/files"
    mkdir -p "$dir/own"
    if [ "$kernel" = newest ] && grep -q ' netns.openvpn_tls ' "$dir/entries"; then vm_add_openvpn "$dir"; fi
    if grep -qE ' netns.cgroup_(oci|podman) ' "$dir/entries"; then vm_add_runtimes "$dir" "$build"; fi
    if grep -q ' netns.cgroup_podman ' "$dir/entries"; then vm_add_podman "$dir"; fi
    cp "$vm_tests/run_list" "$dir/own/"
    awk 'NF > 3' "$dir/entries" >"$dir/own/entries"
    if [ "$kernel" = here ]; then
        LK_SCRATCH=$dir sh "$vm_tests/run_list" "$dir/own/entries" 1 >"$dir/output"
        return
    fi
    vm_boot "$kernel" "$seconds" "$dir" >"$dir/output"
}

# What the machine's own OpenVPN may be too old for; without it tests/vm/expected tells the difference.
vm_add_openvpn() {
    local from
    from=$(vm_fetch_openvpn) || return 0
    cp "$from/openvpn-next" "$1/own/"
    sort -u "$from/files" "$1/files" >"$1/files.new"
    mv "$1/files.new" "$1/files"
}

# vm_without DIR ENTRY PROGRAM...: takes the entry out where setup could not get what it needs; tests/check/expected_skips
# allows as much.
vm_without() {
    local dir=$1 entry=$2 program
    shift 2
    grep -q " $entry " "$dir/entries" || return 0
    for program in "$@"; do
        command -v "$program" >/dev/null && continue
        say "vm: SKIPPED $entry: $program is not there: sudo scripts/setup" >&2
        sed -i "/ $entry /d" "$dir/entries"
        return 0
    done
}

# The container runtimes with what they need, and the program that containers begin with.
vm_add_runtimes() {
    local dir=$1 build=$2
    {
        printf '%s\n' "$build/tests/netns/first_packet"
        command -v crun || true
        command -v runc || true
        find "$lk_tools/runtimes" -name '*.so.*' 2>/dev/null
    } | sort -u - "$dir/files" >"$dir/files.new"
    mv "$dir/files.new" "$dir/files"
}

# podman, and what its test calls.
vm_add_podman() {
    local dir=$1
    {
        command -v podman conmon mount unshare || true
        find "$lk_tools/podman" -name '*.so.*' 2>/dev/null
        printf '%s\n' "$lk_root/packaging/oci/leakbpf.json"
    } | sort -u - "$dir/files" >"$dir/files.new"
    mv "$dir/files.new" "$dir/files"
}

vm_records() { sed -n "s/^::lk $2 //p" "$1/output"; }

# Differences between what was skipped and what KERNEL's list says, both ways; entries that told nothing; and whatever says
# that the run did not come to its end.
vm_findings() {
    local kernel=$1 dir=$2 status=$3 name command passed failed skipped
    while read -r _ name _ command; do
        if [ -z "$command" ]; then
            say "$name: its program is not built"
        elif ! vm_records "$dir" result | grep -q "^[a-z_]* $name "; then
            say "$name: told nothing (the guest's status: $status)"
        fi
    done <"$dir/entries"
    [ "$status" -eq 0 ] || say "the guest's status is $status"
    grep -qx '::lk end' "$dir/output" || say "the list of entries did not come to its end"
    vm_records "$dir" result | awk -v said="$(vm_records "$dir" skip | wc -l)" '
        { skipped += $6 }
        END { if (skipped != said) print skipped " tests were skipped, and " said + 0 " are named" }'
    vm_records "$dir" result | while read -r _ name status passed failed skipped _; do
        case $status in 0 | 77) ;; *) say "$name: status $status" ;; esac
        [ $((passed + skipped + failed)) -gt 0 ] || say "$name: none of its tests ran"
    done
    sed 's/ *#.*//; /^$/d' "${expected:-$vm_tests/expected/$kernel.txt}" | sort -u >"$dir/expected"
    vm_records "$dir" skip | sort -u >"$dir/skipped"
    # What did not run cannot be skipped.
    vm_records "$dir" ran | sort -u >"$dir/ran"
    comm -12 "$dir/expected" "$dir/ran" >"$dir/expected.ran"
    mv "$dir/expected.ran" "$dir/expected"
    comm -13 "$dir/expected" "$dir/skipped" | sed 's/^/skipped, but not on the list: /'
    comm -23 "$dir/expected" "$dir/skipped" | sed 's/^/on the list, but not skipped: /'
    vm_complaints "$kernel" "$dir/console" | sed 's/^/the console says: /'
}

# "KERNEL LABEL PASSED SKIPPED FAILED SECONDS" for each label.
vm_rows() {
    local kernel=$1 dir=$2
    awk -v kernel="$kernel" '
        FILENAME == ARGV[1] { entries[$1]++; next }
        $1 == "::lk" && $2 == "result" {
            told[$3]++; passed[$3] += $6; skipped[$3] += $8; seconds[$3] += $9
            if ($5 != 0 && $5 != 77) failed[$3] += $7 > 0 ? $7 : 1
            else if ($6 + $7 + $8 == 0) failed[$3]++
        }
        END {
            for (label in entries)
                print kernel, label, passed[label] + 0, skipped[label] + 0, failed[label] + entries[label] - told[label], seconds[label] + 0
        }' "$dir/entries" "$dir/output" | sort
}

# Rows as people read them.
vm_table() {
    awk 'BEGIN { printf "%-8s %-10s %7s %8s %7s %8s\n", "kernel", "label", "passed", "skipped", "failed", "seconds" }
        $2 == "not" { printf "%-8s not run\n", $1; next }
        { printf "%-8s %-10s %7d %8d %7d %8d\n", $1, $2, $3, $4, $5, $6 }'
}

# Takes what the verifier walked through into the record.
vm_record() {
    local dir=$1 file=$vm_tests/verifier.txt
    vm_records "$dir" measured >"$dir/measured"
    [ -s "$dir/measured" ] || return 0
    exec 8<"$vm_tests"
    flock 8
    {
        awk '/^#/' "$file"
        awk 'FILENAME == ARGV[1] { measured[$1 " " $2] = 1; next } !/^#/ && !(($1 " " $2) in measured)' "$dir/measured" "$file" |
            sort -V - "$dir/measured"
    } >"$dir/verifier"
    cat "$dir/verifier" >"$file"
    exec 8<&-
}

# Writes rows as a table into docs/kernels.md.
vm_report() {
    local page=$lk_root/docs/kernels.md table
    table=$(mktemp)
    {
        printf '| kernel | Debian package | label | passed | skipped, as expected | failed |\n|---|---|---|---|---|---|\n'
        sort -V "$1" | while read -r kernel label passed skipped failed _; do
            printf '| %s | %s | %s | %s | %s | %s |\n' "$kernel" "$(vm_version "$kernel")" "$label" "$passed" "$skipped" "$failed"
        done
    } >"$table"
    awk -v table="$table" '
        /<!-- end of the runs -->/ { inside = 0 }
        !inside { print }
        /<!-- the runs:/ { inside = 1; while ((getline line < table) > 0) print line }' "$page" >"$table.page"
    cat "$table.page" >"$page"
    rm -f "$table" "$table.page"
}
