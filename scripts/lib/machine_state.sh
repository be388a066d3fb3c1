# SPDX-License-Identifier: MIT
# What setup, demo and tests must leave as it was: name resolution, listeners, units, services.
# Sourced. machine_state prints it as sorted lines, so that two states compare with diff.
# shellcheck shell=bash disable=SC2154

# Ephemeral UDP ports (32768 and up) come and go with every client on the machine: they say nothing.
machine_listeners() {
    ss -Hltun | awk '{
        port = $5; sub(/.*:/, "", port)
        if ($1 == "tcp" || port + 0 < 32768) print "listener " $1 " " $5
    }'
}

# Enabling a unit makes a link below /etc/systemd or in an rc directory.
machine_unit_links() {
    find /etc/systemd /etc/rc?.d -type l 2>/dev/null | sort
}

machine_services() {
    [ -d /run/systemd/system ] || return 0
    systemctl list-units --type=service,socket --state=active,activating --plain --no-legend --no-pager |
        awk '{ print "running " $1 }'
}

# Ours and those of parallel tests (lk-*) come and go.
machine_state() {
    {
        printf 'resolv.conf %s\n' "$(readlink /etc/resolv.conf) $(cksum </etc/resolv.conf)"
        machine_listeners
        machine_unit_links | sed 's/^/enabled /'
        machine_services
        ip -o link show | awk -F': ' '{ print "device " $2 }'
        ip -o route show table all 2>/dev/null | grep -v '^fe80\|^multicast' |
            sed 's/ expires [0-9]*sec//; s/^/route /'
        nft list tables 2>/dev/null | sed 's/^/nft /'
        find /sys/fs/bpf -mindepth 1 2>/dev/null | sed 's/^/pin /'
    } | sort -u
}
