# SPDX-License-Identifier: MIT
# Boots a guest and gives back its command's exit status: 124 when the time was up, 125 when the guest died before it
# could tell (the end of its console goes to stderr). Sourced; needs common.sh, vm_fetch.sh and vm_guest.sh.
# shellcheck shell=bash disable=SC2154

vm_memory_mb=${vm_memory_mb:-1024}

# vm_qemu SECONDS ACCELERATOR KERNEL INITRD DIR EXTRA...: the test's output is on stdout; DIR gets console and rc.
vm_qemu() {
    local seconds=$1 accelerator=$2 kernel=$3 initrd=$4 dir=$5 image program cpu=Nehalem,+rdrand
    shift 5
    image=$(vm_image "$kernel")
    read -ra program < <(vm_fetch_qemu)
    # Without AVX and fast strings, which the emulator is slow at. Under KVM the machine's own processor.
    [ "$accelerator" != kvm ] || cpu=host
    [ "$accelerator" != tcg ] || accelerator=tcg,thread=multi
    timeout -k 5 "$seconds" "${program[@]}" -accel "$accelerator" -machine pc,hpet=off -cpu $cpu -smp 1 \
        -m "$vm_memory_mb" -nodefaults -no-user-config -display none -no-reboot -net none -kernel "$image" \
        -initrd "$initrd" \
        -append "console=ttyS0 quiet loglevel=5 oops=panic panic=-1 nokaslr mitigations=off tsc=reliable random.trust_cpu=on${append:+ $append}" \
        -serial "file:$dir/console" -chardev stdio,id=output,signal=off -serial chardev:output \
        -serial "file:$dir/rc" "$@" </dev/null
}

# KVM only where a guest really comes up with it: the device may be there and hang. Asked once for each running kernel.
vm_accelerator() {
    local dir answer=tcg memory memory_file
    memory_file=$vm_cache/accelerator
    memory="$(uname -r) $(cat /proc/sys/kernel/random/boot_id)"
    if [ ! -w /dev/kvm ]; then
        echo tcg
        return
    fi
    if [ "$(sed -n 1p "$memory_file" 2>/dev/null)" = "$memory" ]; then
        sed -n 2p "$memory_file"
        return
    fi
    dir=$(mktemp -d)
    echo 'echo up' >"$dir/command"
    : >"$dir/config"
    command -v dash >"$dir/files"
    (vm_payload "$dir")
    cat "$(vm_base "$1")" "$dir/payload" >"$dir/initrd"
    if vm_qemu 8 kvm "$1" "$dir/initrd" "$dir" 2>/dev/null | grep -q '^up'; then answer=kvm; fi
    rm -rf "$dir"
    printf '%s\n%s\n' "$memory" "$answer" >"$memory_file"
    printf '%s\n' "$answer"
}

# vm_boot KERNEL SECONDS DIR: DIR holds what vm_payload wants.
# The kernel's messages are in DIR/console afterwards.
vm_boot() {
    local kernel=$1 seconds=$2 dir=$3 accelerator status=0 extra=()
    if [ "${runner-qemu}" = vng ]; then
        vm_boot_vng "$@"
        return
    fi
    accelerator=$(vm_accelerator "$kernel")
    (vm_payload "$dir")
    cat "$(vm_base "$kernel")" "$dir/payload" >"$dir/initrd"
    rm -f "$dir/payload"
    if [ -e "$dir/virtiofs.socket" ]; then
        # shellcheck disable=SC2054 # qemu's own commas
        extra=(-object "memory-backend-memfd,id=memory,size=${vm_memory_mb}M,share=on" -numa node,memdev=memory
            -chardev "socket,id=root,path=$dir/virtiofs.socket" -device vhost-user-fs-pci,chardev=root,tag=root)
    fi
    # shellcheck disable=SC2154 # of scripts/vm
    if [ -n "${nic-}" ]; then
        # A router with DHCP and a name server that knows nothing; "restrict": of the machine's own network it has nothing.
        extra+=(-netdev "user,id=wire,restrict=on,net=10.9.0.0/24,ipv6-net=2001:db8:9::/64" -object "filter-dump,id=record,netdev=wire,file=$nic"
            -device "virtio-net-pci,netdev=wire,mac=02:00:00:09:00:0f,romfile=")
    fi
    vm_qemu "$seconds" "$accelerator" "$kernel" "$dir/initrd" "$dir" "${extra[@]}" || status=$?
    rm -f "$dir/initrd"
    vm_verdict "$kernel" "$seconds" "$dir" "$status"
}

# vm_complaints KERNEL FILE: the lines of a guest's console in which its kernel says that something is wrong with itself, but
# for what tests/vm/console_known knows. loglevel=5 above shows warnings there too.
vm_complaints() {
    [ -e "$2" ] || return 0
    awk -v kernel="$1" '
        FILENAME == ARGV[1] {
            if (/^#|^$/) next
            sub(/ +#.*/, "")
            if (kernel ~ "^(" $1 ")$") known[substr($0, length($1) + 2)] = 1
            next
        }
        { sub(/\r$/, "") }
        # Something holds a device that is gone: everything that makes or ends network namespaces waits from then on. The
        # kernel says so every ten seconds; once may be a slow machine.
        /unregister_netdevice: waiting for/ { if (++said == 3) print; next }
        /BUG:|Oops|WARNING: (CPU|.* at )|refcount_t|general protection fault|Kernel panic/ {
            for (text in known) if ($0 ~ text) next
            print
        }' "$lk_root/tests/vm/console_known" "$2"
}

# What the status of qemu and the line on the third port mean together.
vm_verdict() {
    local kernel=$1 seconds=$2 dir=$3 status=$4 rc
    rc=$(sed -n 's/^rc=\([0-9]*\).*/\1/p' "$dir/rc" 2>/dev/null | tail -n 1)
    if [ -n "$rc" ]; then return "$rc"; fi
    if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
        say "vm: kernel $kernel: the time was up after $seconds s; the console ends with:" >&2
        status=124
    else
        say "vm: kernel $kernel: the guest died (qemu: status $status); the console ends with:" >&2
        status=125
    fi
    tail -n 40 "$dir/console" 2>/dev/null | tr -d '\r' >&2
    return "$status"
}

# The same by virtme-ng: it shares the machine's root, so that nothing has to be packed; only /tmp, /run and the like are
# the guest's own, which is why what it runs lies in the cache. The status comes by the stream that the kernel and the command
# write to as well: it follows a word that neither knows.
vm_boot_vng() {
    local kernel=$1 seconds=$2 dir=$3 place=$vm_cache/vng/$1 arguments=(--cpus 1 --memory "${vm_memory_mb}M") status=0 word
    word=$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')
    [ "$(vm_accelerator "$kernel")" = kvm ] || arguments+=(--disable-kvm)
    rm -rf "$place"
    mkdir -p "$place"
    cp "$dir/command" "$place/"
    [ ! -d "$dir/own" ] || cp -r "$dir/own/." "$place/"
    timeout -k 5 "$seconds" vng "${arguments[@]}" --run "$(vm_image "$kernel")" -- \
        "mount -t bpf bpf /sys/fs/bpf; modprobe tun; echo 2 >/proc/sys/net/core/fb_tunnels_only_for_init_net; \
        PATH=\$PATH:$lk_tools/openvpn/usr/sbin LK_DIR=$place sh $place/command; echo $word=\$? >&2" \
        </dev/null 2>"$dir/console" || status=$?
    sed -n "s/.*$word=\([0-9][0-9]*\).*/rc=\1/p" "$dir/console" >"$dir/rc"
    vm_verdict "$kernel" "$seconds" "$dir" "$status"
}
