# SPDX-License-Identifier: MIT
# Guests with a whole root below them, over virtiofs and read-only: the machine's own, or a small one with systemd.
# Sourced; needs common.sh and vm_fetch.sh.
# shellcheck shell=bash disable=SC2154

vm_virtiofsd=
# Of the root with systemd, beyond Debian's smallest: systemd itself, and what tests/vm asks for.
vm_root_packages=systemd,systemd-sysv,dbus,udev,kmod,iproute2,procps,nftables,systemd-resolved,dnsmasq-base,tcpdump,wireguard-tools

# vm_share ROOT DIR: serves ROOT at DIR/virtiofs.socket until vm_unshare.
vm_share() {
    local root=$1 socket=$2/virtiofs.socket program turn
    is_root || {
        say "SKIPPED: sharing a root needs root: sudo scripts/vm"
        exit 77
    }
    for program in /usr/libexec/virtiofsd /usr/lib/qemu/virtiofsd /usr/lib/virtiofsd; do
        [ -x "$program" ] && break
    done
    [ -x "$program" ] || die "virtiofsd is missing: it comes with qemu-system-common (Debian 12), or as virtiofsd"
    # qemu's own, written in C, and the later one in Rust take other words.
    if "$program" --help 2>&1 | grep -q -- '--shared-dir'; then
        "$program" --socket-path "$socket" --shared-dir "$root" --sandbox chroot --cache always >"$2/virtiofsd" 2>&1 &
    else
        "$program" -f --socket-path="$socket" -o source="$root" -o sandbox=chroot -o cache=always \
            --rlimit-nofile="$(ulimit -Hn)" >"$2/virtiofsd" 2>&1 &
    fi
    vm_virtiofsd=$!
    for ((turn = 0; turn < 100; turn++)); do
        [ ! -S "$socket" ] || return 0
        sleep 0.05
    done
    die "virtiofsd did not come up: $(tail -n 3 "$2/virtiofsd")"
}

vm_unshare() {
    [ -z "$vm_virtiofsd" ] || kill "$vm_virtiofsd" 2>/dev/null || true
    vm_virtiofsd=
}

# Prints where a Debian with systemd is; makes it when it is not there, or was made of other packages.
vm_systemd_root() {
    local root=$vm_cache/systemd-root uri keyring suite
    mkdir -p "$vm_cache"
    exec 9>"$vm_cache/systemd-root.lock"
    flock 9
    if [ "$(cat "$root/etc/lk-complete" 2>/dev/null)" != "$vm_root_packages" ]; then
        is_root || die "making a root needs root: sudo scripts/vm"
        command -v debootstrap >/dev/null || die "debootstrap is missing: sudo scripts/setup"
        suite=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME-bookworm}")
        read -r uri keyring < <(vm_mirrors)
        say "vm: making a root with systemd from Debian $suite" >&2
        rm -rf "$root"
        debootstrap --variant=minbase --keyring "$keyring" \
            --include="$vm_root_packages" "$suite" "$root" "$uri" \
            >"$vm_cache/debootstrap.log" 2>&1 || die "debootstrap failed: $(tail -n 3 "$vm_cache/debootstrap.log")"
        rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
        printf '%s\n' "$vm_root_packages" >"$root/etc/lk-complete"
    fi
    exec 9>&-
    printf '%s\n' "$root"
}
