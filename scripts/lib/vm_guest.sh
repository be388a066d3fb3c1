# SPDX-License-Identifier: MIT
# What a guest boots with: a base archive for each kernel (busybox and modules, kept), and a payload for each run (the
# files it needs, each at its own path, with their libraries). The kernel takes both, one after the other.
# Sourced; needs common.sh and vm_fetch.sh.
# shellcheck shell=bash disable=SC2154

# Of a fetched kernel, or of the running one.
vm_version() { if [ "$1" = here ]; then uname -r; else cat "$vm_cache/kernels/$1/version"; fi; }

vm_image() { printf '%s\n' "$vm_cache/kernels/$1/boot/vmlinuz-$(vm_version "$1")"; }

# vm_words FILE: its words, without comments.
vm_words() { sed 's/#.*//' "$1" | tr -s ' \n' '\n'; }

vm_archive() { (cd "$1" && cpio -o -H newc --quiet -R 0:0); }

# The modules that tests/vm/modules names, and all they need: unpacked and flat, so that busybox can load them too.
vm_base_modules() {
    local kernel=$1 work=$2 dir=$vm_cache/kernels/$1 version module file to
    version=$(vm_version "$kernel")
    [ -e "$dir/lib/modules/$version/modules.dep" ] || depmod -b "$dir" "$version"
    to=$work/usr/lib/modules/$version
    mkdir -p "$to"
    cp "$dir/lib/modules/$version"/modules.builtin* "$dir/lib/modules/$version/modules.order" "$to/"
    vm_words "$lk_root/tests/vm/modules" | while read -r module; do
        modprobe -d "$dir" -S "$version" --show-depends "$module" 2>/dev/null || true
    done | awk '$1 == "insmod" { print $2 }' | sort -u | while read -r file; do
        case "$file" in
        *.xz) xz -dc "$file" >"$to/$(basename "$file" .xz)" ;;
        *) cp "$file" "$to/" ;;
        esac
    done
    depmod -b "$work" "$version" 2>/dev/null
}

# Prints the base archive's path.
vm_base() {
    local kernel=$1 archive work key
    key=$(cat "$lk_root/tests/vm/modules" "$lk_root/tests/vm/init" "${BASH_SOURCE[0]}" "$vm_cache/kernels/$kernel/version" | cksum)
    archive=$vm_cache/base/$kernel/${key%% *}.cpio
    if [ ! -e "$archive" ]; then
        mkdir -p "${archive%/*}"
        rm -f "${archive%/*}"/*
        work=$(mktemp -d)
        mkdir -p "$work"/{dev,proc,sys,run,tmp,etc,lk,root,var} "$work"/usr/{bin,sbin,lib/lk,lib64}
        ln -s dash "$work/usr/bin/sh"
        for link in bin sbin lib lib64; do ln -s "usr/$link" "$work/$link"; done
        ln -s ../run "$work/var/run"
        ln -s ../lib/lk/busybox "$work/usr/sbin/modprobe"
        cp "$(command -v busybox)" "$work/usr/lib/lk/busybox"
        printf 'root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n' >"$work/etc/passwd"
        printf 'root:x:0:\nnogroup:x:65534:\n' >"$work/etc/group"
        cp /etc/protocols /etc/services "$work/etc/" 2>/dev/null || true
        install -m 755 "$lk_root/tests/vm/init" "$work/init"
        vm_base_modules "$kernel" "$work"
        (cd "$work" && find . -mindepth 1) | vm_archive "$work" >"$archive.new"
        mv "$archive.new" "$archive"
        rm -rf "$work"
    fi
    printf '%s\n' "$archive"
}

# The libraries and the loader of a program, one a line; a static one has none.
vm_libraries() { { ldd "$1" 2>/dev/null || true; } | sed -nE 's,^(.* => |[[:space:]]*)(/[^ ]*) \(0x.*,\2,p'; }

# A path with the links of its directories followed: a guest's /lib is a link too.
vm_settled() { printf '%s/%s\n' "$(cd "$(dirname "$1")" && pwd -P)" "${1##*/}"; }

# vm_payload DIR: makes DIR/payload of DIR/command, DIR/config and the files in DIR/own, which guests find in /lk, and of
# the files that DIR/files lists, each at its own path.
vm_payload() {
    local work=$1 file dir
    while read -r file; do
        printf '%s\n' "$file"
        vm_libraries "$file"
    done <"$work/files" | sort -u | while read -r file; do
        vm_settled "$file"
    done | sort -u >"$work/paths"
    while read -r file; do
        dir=${file%/*}
        while [ -n "$dir" ]; do
            printf '%s\n' "$dir"
            dir=${dir%/*}
        done
    done <"$work/paths" | sort -u >"$work/directories"
    mkdir -p "$work/own"
    cp "$work/command" "$work/config" "$work/paths" "$lk_root/tests/vm/lk.service" "$work/own/"
    printf "LK_TOOLS='%s'\n" "$lk_tools/openvpn/usr/sbin" >>"$work/own/config" # the private ones, at their own path
    rm -rf "$work/top"
    mkdir "$work/top"
    ln -s ../own "$work/top/lk"
    {
        sed 's,^/,,' "$work/directories" "$work/paths" | cpio -o -L -D / -H newc --quiet -R 0:0
        cd "$work/top" || exit
        find -L . -mindepth 1 | cpio -o -L -H newc --quiet -R 0:0
    } >"$work/payload"
}

# The programs that tests/vm/tools names and that are here.
vm_tools() {
    local line word optional
    sed 's/#.*//' "$lk_root/tests/vm/tools" | while read -r line; do
        optional=no
        for word in $line; do
            if [ "$word" = '?' ]; then
                optional=yes
            elif ! command -v "$word"; then
                [ "$optional" = yes ] || say "vm: $word is missing: sudo scripts/setup" >&2
            fi
        done
    done
}
