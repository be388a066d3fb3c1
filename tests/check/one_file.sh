#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# leakbpf needs no file beside it: copied alone into an empty directory, with the build tree and the sources hidden, it
# still loads and attaches its BPF programs (as root; as a user it only checks a policy).
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

dir=$(mktemp -d)
chmod 755 "$dir"
cgroups=$(sed -n 's/^[^ ]* [^ ]* [^ ]* \/ \([^ ]*\) .* - cgroup2 .*/\1/p' /proc/self/mountinfo | head -n 1)
cgroup=$cgroups/lk-onefile-$$
end() {
    rm -rf "$dir"
    [ ! -d "$cgroup" ] || rmdir "$cgroup"
}
trap end EXIT
cp "$build/userspace/leakbpf" "$dir/"
cd "$dir"
env -i ./leakbpf --version
env -i ./leakbpf attach --help >/dev/null
if ! is_root; then
    say "not root: attaching was not tried"
    exit 0
fi
[ -n "$cgroups" ] || {
    say "SKIPPED: no cgroup2 is mounted"
    exit "$skipped"
}
mkdir "$cgroup"
export dir lk_root cgroup
# The inner shell is pid 1 of namespaces that end with it, and with them whatever it attached.
# shellcheck disable=SC2016 # the inner shell expands it
timeout 60 unshare --net --mount --pid --fork --kill-child bash -euc '
    mount --make-rprivate /
    mount -t tmpfs hidden "$lk_root"
    mkdir "$dir/bpf"
    mount -t bpf bpf "$dir/bpf"
    ip link set lo up
    ip link add eth0 type veth peer name far0
    ip link set eth0 up
    ip link set far0 up
    ip addr add 10.9.0.2/24 dev eth0
    run() { env -i "$dir/leakbpf" --bpffs "$dir/bpf" --cgroup-root "$cgroup" "$@"; }
    run attach eth0 --gw 198.51.100.7:1194/udp
    run status | grep -q eth0
    run detach
'
