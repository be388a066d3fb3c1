#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The matrix of scripts/vm can fail: what it says of runs that are written here, no guest is booted.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../../scripts/lib/vm_suite.sh
. "$lk_root/scripts/lib/vm_suite.sh"
# shellcheck source=../../scripts/lib/vm_boot.sh
. "$lk_root/scripts/lib/vm_boot.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A run of two entries in which all is well: one test passed, one was skipped and is on the list.
well() {
    status=0
    rm -rf "$work/run"
    mkdir -p "$work/run"
    printf 'netns netns.a 60 a\nnetns netns.b 60 b\n' >"$work/run/entries"
    echo 'b B.Two' >"$work/expected"
    cat >"$work/run/output" <<-END
	::lk ran netns.a all
	::lk result netns netns.a 0 1 0 0 1
	::lk ran netns.b all
	::lk result netns netns.b 0 1 0 1 1
	::lk ran a A.One
	::lk ran b B.One
	::lk ran b B.Two
	::lk skip b B.Two
	::lk end
	END
}

# says EXPECTED: what is found in the run; empty: nothing.
says() {
    local found
    found=$(expected=$work/expected vm_findings 6.1 "$work/run" "$status")
    [ "$found" = "$1" ] || fail "line ${BASH_LINENO[0]}: found «$found», expected «$1»"
}
without() { sed -i "/$1/d" "$work/run/output"; }

well
says ''
: >"$work/expected"
says 'skipped, but not on the list: b B.Two'
well
without 'skip b'
sed -i 's/1 0 1 1$/2 0 0 1/' "$work/run/output"
says 'on the list, but not skipped: b B.Two'
well
sed -i 's/netns.a 0 1 0/netns.a 1 0 1/' "$work/run/output"
says 'netns.a: status 1'
well
without 'result netns netns.a'
says "netns.a: told nothing (the guest's status: 0)"

# An entry of which no test is dealt to this kernel.
well
sed -i 's/netns.a 0 1 0/netns.a 0 0 0/' "$work/run/output"
says 'netns.a: none of its tests ran'

# A guest that died after its last entry, and one that could not write down what it skipped.
well
status=125
without end
says "the guest's status is 125
the list of entries did not come to its end"
well
without 'ran [ab]'
without skip
says '1 tests were skipped, and 0 are named'

# A kernel that complains of itself; of a device that is gone only once it has said so for a while.
complains() {
    well
    printf '[    1.0] fine\r\n%s\r\n' "$1" >"$work/run/console"
    says "${2-the console says: $1}"
}
complains '[    2.0] BUG: unable to handle page fault for address: 0000000000000010'
complains '[    2.0] WARNING: CPU: 0 PID: 7 at net/core/dev.c:10 dev_put+0x1/0x2'
complains '[    2.0] WARNING: net/core/dev.c:10 at dev_put+0x1/0x2, CPU#0: ip/7'
complains '[    2.0] refcount_t: underflow; use-after-free.'
complains '[    2.0] WARNING: Unprivileged eBPF is enabled' ''
complains '[    2.0] watchdog: BUG: soft lockup - CPU#0 stuck for 26s!' ''
held='[    2.0] unregister_netdevice: waiting for eth0 to become free. Usage count = 2'
complains "$held" ''
complains "$held
$held
$held" "the console says: $held"

# ctest lists a test without its program, and with no command.
well
mkdir "$work/build"
printf 'add_test(netns.a "%s")\nadd_test(netns.b "/nowhere/test")\nset_tests_properties(netns.a netns.b PROPERTIES LABELS netns)\n' \
    "$(command -v true)" >"$work/build/CTestTestfile.cmake"
vm_kernels=(6.1)
vm_entries 6.1 "$work/build" netns '.*' >"$work/run/entries"
says 'netns.b: its program is not built'

# Each entry runs in some guest, and no two guests run the same part of it while others lack one.
mapfile -t all_kernels < <(sed -n 's/^vm_kernels=(\(.*\))/\1/p' scripts/lib/vm_fetch.sh | tr ' ' '\n')
vm_kernels=("${all_kernels[@]}")
[ ${#vm_kernels[@]} -gt 3 ] || fail "found the kernels «${vm_kernels[*]}»"
for file in tests/netns/*_test.cpp; do
    name=netns.$(basename "$file" _test.cpp)
    vm_leaves_out here "$name" && continue
    parts=()
    for kernel in "${vm_kernels[@]}"; do
        vm_leaves_out "$kernel" "$name" || parts+=("$(vm_part_of "$kernel" "$name")")
    done
    [ ${#parts[@]} -gt 0 ] || fail "no guest runs $name"
    [[ ${parts[0]-} =~ /([0-9]+) ]] || continue
    different=$(printf '%s\n' "${parts[@]}" | sort -u | wc -l) of=${BASH_REMATCH[1]}
    [ "$different" -eq ${#parts[@]} ] || [ "$different" -eq "$of" ] || fail "guests run the same part of $name: ${parts[*]}"
    # What this machine lacks runs there or nowhere.
    ! grep -q "^netns_${name#netns.} .*WireGuard" tests/vm/expected/here.txt || [ "$different" -eq "$of" ] ||
        fail "guests run $different of $of parts of $name, and nobody else runs it"
done

# Entries that one guest alone has.
vm_leaves_out 6.12 netns.cgroup_podman && fail "6.12 leaves netns.cgroup_podman out"
vm_leaves_out here netns.cgroup_podman && fail "this machine leaves netns.cgroup_podman out"
vm_leaves_out 6.1 netns.cgroup_podman || fail "6.1 does not leave netns.cgroup_podman out"
[ -n "$(vm_part_of 6.1 netns.gate)" ] || fail "6.1 runs all of netns.gate"
vm_whole=yes
vm_leaves_out 6.1 netns.cgroup_podman && fail "6.1 leaves netns.cgroup_podman out with --whole"
[ -z "$(vm_part_of 6.1 netns.gate)" ] || fail "6.1 runs a part of netns.gate with --whole"
vm_whole=no

# scripts/vm itself, with kernels that are only words: «newest» cannot be had.
copy=$work/copy
mkdir -p "$copy/tests" "$copy/docs" "$work/bin"
cp -r scripts "$copy/"
cp -r tests/vm "$copy/tests/"
cp docs/kernels.md "$copy/docs/"
printf '#!/bin/sh\n' >"$work/bin/sleep"
chmod +x "$work/bin/sleep"
cat >"$copy/scripts/lib/vm_fetch.sh" <<'END'
vm_kernels=(6.1 newest)
vm_cache=$lk_root
vm_suite_of() { [ "$1" = 6.1 ] || [ "$1" = newest ]; }
vm_fetch_qemu() { echo qemu; }
vm_fetch_kernel() { [ "$1" = 6.1 ]; }
END
echo 'vm_version() { echo 6.1; }' >>"$copy/scripts/lib/vm_guest.sh"
# shellcheck disable=SC2016 # for the copy to expand
echo 'vm_boot() { echo "::lk result netns netns.a ${LK_FAKE:-0} 1 0 0 1"; echo "::lk end"; }' >>"$copy/scripts/lib/vm_boot.sh"
: >"$copy/tests/vm/expected/6.1.txt"
sed -i /netns.b/d "$work/build/CTestTestfile.cmake"
echo 'set_tests_properties(netns.a PROPERTIES LABELS netns)' >>"$work/build/CTestTestfile.cmake"
all() { PATH=$work/bin:$PATH "$copy/scripts/vm" --build "$work/build" --report --rows "$work/rows" all >"$work/all" 2>&1; }

status=0
all || status=$?
[ $status -eq 77 ] || fail "all without the newest kernel: status $status, expected 77: $(cat "$work/all")"
grep -qx 'newest not run' "$work/rows" || fail "its row is not there: $(cat "$work/rows")"
cmp -s docs/kernels.md "$copy/docs/kernels.md" || fail 'all without the newest kernel wrote its report'
status=0
LK_FAKE=1 all || status=$?
[ $status -eq 1 ] || fail "all with a failed entry: status $status, expected 1"
status=0
sed -i 's/^vm_fetch_kernel.*/vm_fetch_kernel() { :; }/' "$copy/scripts/lib/vm_fetch.sh"
: >"$copy/tests/vm/expected/newest.txt"
all || status=$?
[ $status -eq 0 ] || fail "all with all kernels: status $status, expected 0: $(cat "$work/all")"
cmp -s docs/kernels.md "$copy/docs/kernels.md" && fail 'all with all kernels wrote no report'

# A vng that boots nothing: what somebody says on the way is not the guest's status.
vm_cache=$work/cache
vm_image() { echo vmlinuz; }
vm_accelerator() { echo tcg; }
echo true >"$work/command"
vng_says() {
    cat >"$work/bin/vng" <<-END
	#!/bin/sh
	word=\$(printf '%s' "\$*" | sed -n 's/.*echo \([0-9a-f]*\)=.*/\1/p')
	$2
	END
    chmod +x "$work/bin/vng"
    status=0
    PATH=$work/bin:$PATH vm_boot_vng 6.1 60 "$work" 2>/dev/null || status=$?
    [ $status -eq "$1" ] || fail "vng that does «$2»: status $status, expected $1"
}
# shellcheck disable=SC2016 # for the fake to expand
vng_says 7 'echo rc=3 >&2; echo "[ 1.2] noise $word=7" >&2; echo rc=0 >&2'
vng_says 125 'echo rc=0 >&2; exit 1'

finish
