# SPDX-License-Identifier: MIT
# Kernels, and where needed a newer qemu, from Debian's packages: downloaded and unpacked below $vm_cache with an apt
# state of their own. Nothing is installed, and the machine's own package lists stay as they are.
# Sourced; needs common.sh.
# shellcheck shell=bash disable=SC2034,SC2154

vm_cache=${XDG_CACHE_HOME:-${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}/.cache}/leakbpf
vm_kernels=(5.10 6.1 6.12 newest)

# Which suite has it, and how its packages are called there.
vm_suite_of() {
    case "$1" in
    5.10) echo 'bullseye ^linux-image-5\.10\.0-[0-9]+-cloud-amd64$' ;;
    6.1) echo 'bookworm ^linux-image-6\.1\.0-[0-9]+-cloud-amd64$' ;;
    6.12) echo 'trixie ^linux-image-6\.12[0-9.+a-z]*-cloud-amd64$' ;;
    newest) echo 'sid ^linux-image-[0-9][0-9.+a-z~-]*-cloud-amd64$' ;;
    *) return 1 ;;
    esac
}

# The machine's own source of Debian, in whichever form it is written: "URI KEYRING", the keyring may be missing.
vm_own_source() {
    local codename
    codename=$(. /etc/os-release 2>/dev/null && printf '%s' "${VERSION_CODENAME-}")
    awk -v codename="$codename" '
        function judge() {
            if (types ~ /(^| )deb( |$)/ && (" " suites " ") ~ (" " codename " ") && !found) {
                found = 1
                split(uris, uri, " ")
                print uri[1], (key ~ /^\// ? key : "")
            }
            types = suites = uris = key = ""
        }
        FNR == 1 { judge() }
        /^[ \t]*$/ { judge(); next }
        /^Types:/ { sub(/^[^:]*: */, ""); types = $0 }
        /^URIs:/ { sub(/^[^:]*: */, ""); uris = $0 }
        /^Suites:/ { sub(/^[^:]*: */, ""); suites = $0 }
        /^Signed-By:/ { sub(/^[^:]*: */, ""); key = $0 }
        /^deb[ \t]/ {
            types = "deb"
            key = match($0, /signed-by=[^] ,]*/) ? substr($0, RSTART + 10, RLENGTH - 10) : ""
            sub(/\[[^]]*\] */, "")
            uris = $2
            suites = $3
            judge()
        }
        END { judge() }' /etc/apt/sources.list.d/*.sources /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null
}

# Old suites move from one to the other.
vm_mirrors() {
    local own keyring=
    read -r own keyring < <(vm_own_source) || true
    [ -n "$keyring" ] || keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    printf '%s\n' ${own:+"$own $keyring"} "http://deb.debian.org/debian $keyring" \
        "http://archive.debian.org/debian $keyring" | awk '!seen[$1]++'
}

# vm_apt STATE COMMAND...
vm_apt() {
    local state=$1 command=$2
    shift 2
    "$command" -q -o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State::lists="$state/lists" -o Dir::Cache="$state/cache" -o Acquire::Retries=2 \
        -o Acquire::http::Timeout=30 -o Acquire::Check-Valid-Until=false -o Acquire::Languages=none \
        -o APT::Sandbox::User="$(id -un)" -o Dpkg::Use-Pty=0 "$@"
}

# Lists of SUITE in STATE, from the first mirror that has it.
vm_lists() {
    local state=$1 suite=$2 uri keyring
    mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
    while read -r uri keyring; do
        if [ ! -e "$keyring" ]; then keyring=; fi
        printf 'deb [arch=amd64%s] %s %s main\n' "${keyring:+ signed-by=$keyring}" "$uri" "$suite" >"$state/sources.list"
        vm_apt "$state" apt-get update -o APT::Update::Error-Mode=any >"$state/log" 2>&1 && return
    done < <(vm_mirrors)
    say "vm: no mirror gives the suite $suite: $(tail -n 2 "$state/log")" >&2
    return 1
}

# Downloads PACKAGES by the lists of STATE and unpacks them into DIR.
vm_unpack() {
    local state=$1 dir=$2 package
    shift 2
    rm -rf "$dir.new" "$state/packages"
    mkdir -p "$dir.new" "$state/packages"
    (cd "$state/packages" && vm_apt "$state" apt-get download "$@" >"$state/log" 2>&1) || {
        say "vm: cannot download $*: $(tail -n 2 "$state/log")" >&2
        return 1
    }
    for package in "$state"/packages/*.deb; do
        dpkg-deb -x "$package" "$dir.new"
    done
    rm -rf "$state/packages" "$dir"
    mv "$dir.new" "$dir"
}

# Prints where the unpacked kernel is; fetches it when it is not there.
vm_fetch_kernel() {
    local name=$1 suite pattern image parts dir=$vm_cache/kernels/$1 state=$vm_cache/apt/$1
    read -r suite pattern < <(vm_suite_of "$name")
    mkdir -p "$state" "$vm_cache/kernels"
    exec 9>"$state/lock"
    flock 9
    if [ ! -e "$dir/version" ]; then
        say "vm: fetching kernel $name from Debian $suite" >&2
        vm_lists "$state" "$suite" || return
        image=$(vm_apt "$state" apt-cache pkgnames linux-image | grep -E "$pattern" | sort -V | tail -n 1)
        [ -n "$image" ] || {
            say "vm: the suite $suite has no package $pattern" >&2
            return 1
        }
        # Newer kernels are split: the image itself, its modules and its configuration are packages of their own.
        parts=$(vm_apt "$state" apt-cache depends "$image" |
            awk -v version="${image#linux-image-}" '$1 == "Depends:" && index($2, version) { print $2 }')
        # shellcheck disable=SC2086 # a list of packages
        vm_unpack "$state" "$dir" "$image" $parts || return
        [ -d "$dir/lib/modules" ] || ln -s usr/lib "$dir/lib"
        image=${image#linux-image-}
        mkdir -p "$dir/boot"
        [ -e "$dir/boot/vmlinuz-$image" ] || ln -s "../lib/modules/$image/vmlinuz" "$dir/boot/vmlinuz-$image"
        printf '%s\n' "$image" >"$dir/version"
        rm -rf "$vm_cache/base/$name" "$state/lists" "$state/cache"
    fi
    exec 9>&-
    printf '%s\n' "$dir"
}

# qemu below 9 computes cmpxchg16b wrongly under TCG, and 6.12 dies of it. Prints the program and where its firmware is.
vm_fetch_qemu() {
    local version codename dir=$vm_cache/qemu state=$vm_cache/apt/qemu suffix
    version=$(qemu-system-x86_64 --version 2>/dev/null | sed -n '1s/.* version \([0-9]*\).*/\1/p')
    codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME-}")
    if [ "${version:-0}" -lt 9 ] && [ "$codename" = bookworm ]; then
        mkdir -p "$state"
        exec 9>"$state/lock"
        flock 9
        if [ ! -e "$dir/usr/bin/qemu-system-x86_64" ]; then
            say "vm: fetching qemu from bookworm-backports" >&2
            suffix=/bookworm-backports
            vm_lists "$state" bookworm-backports || return
            vm_unpack "$state" "$dir" qemu-system-x86$suffix qemu-system-common$suffix qemu-system-data$suffix || return
            rm -rf "$state/lists" "$state/cache"
        fi
        exec 9>&-
        "$dir/usr/bin/qemu-system-x86_64" --version >/dev/null || return
        printf '%s\n' "$dir/usr/bin/qemu-system-x86_64 -L $dir/usr/share/qemu -L /usr/share/seabios"
        return
    fi
    [ -n "$version" ] || {
        say "vm: qemu-system-x86_64 is missing: sudo scripts/setup" >&2
        return 1
    }
    printf '%s\n' qemu-system-x86_64
}

# OpenVPN of the newest kernel's suite, for its data channel in the kernel, with all its libraries and the loader:
# prints where it is. $DIR/openvpn-next starts it, and $DIR/files names what that needs.
vm_fetch_openvpn() {
    local dir=$vm_cache/openvpn state=$vm_cache/apt/openvpn libraries loader
    mkdir -p "$state"
    exec 9>"$state/lock"
    flock 9
    if [ ! -e "$dir/files" ]; then
        say "vm: fetching OpenVPN from Debian sid" >&2
        vm_lists "$state" sid || return
        vm_unpack "$state" "$dir" openvpn libc6 libssl3t64 liblz4-1 liblzo2-2 libnl-3-200 libnl-genl-3-200 libcap-ng0 \
            libpkcs11-helper1t64 libsystemd0 libzstd1 libcap2 libgcc-s1 libp11-kit0 || return
        rm -rf "$state/lists" "$state/cache"
        libraries=$dir/usr/lib/x86_64-linux-gnu
        loader=$libraries/ld-linux-x86-64.so.2
        printf '#!/bin/sh\nexec %s --library-path %s %s "$@"\n' "$loader" "$libraries" "$dir/usr/sbin/openvpn" >"$dir/openvpn-next"
        chmod 755 "$dir/openvpn-next"
        "$dir/openvpn-next" --version >/dev/null || return
        {
            printf '%s\n' "$loader" "$dir/usr/sbin/openvpn"
            "$loader" --library-path "$libraries" --list "$dir/usr/sbin/openvpn" | grep -o "$libraries/[^ ]*" | sort -u
        } >"$dir/files"
    fi
    exec 9>&-
    printf '%s\n' "$dir"
}
