#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The recipes make commands that leakbpf takes, with the gateways and resolvers that the tools tell. In place of leakbpf
# stands one that writes down what it is given and lets `leakbpf check` judge it.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
cat >"$bin/leakbpf" <<STUB
#!/bin/sh
printf '%s\n' "\$*" >"$bin/asked"
[ "\$1" = attach ] && shift && exec "$build/userspace/leakbpf" check "\$@"
STUB
cat >"$bin/wg" <<'STUB'
#!/bin/sh
[ "$*" = "show wg0 endpoints" ] || exit 1
printf 'PEER1=\t198.51.100.7:51820\nPEER2=\t[2001:db8::7]:443\nPEER3=\t(none)\n'
STUB
chmod 755 "$bin/leakbpf" "$bin/wg"
PATH=$bin:$PATH

# becomes WHAT EXPECTED COMMAND...
becomes() {
    local what=$1 expected=$2 trouble
    shift 2
    rm -f "$bin/asked"
    trouble=$("$@" 2>&1 >/dev/null) || { fail "$what: $trouble" && return; }
    [ "$(cat "$bin/asked" 2>/dev/null)" = "$expected" ] || fail "$what: «$(cat "$bin/asked" 2>/dev/null)», not «$expected»"
}

recipes=packaging/recipes
all="attach --all-uplinks --tunnel"
wg_gateways="--gw 198.51.100.7:51820/udp --gw [2001:db8::7]:443/udp"
becomes "OpenVPN" "$all tun0 --gw 198.51.100.7:1194/udp --dns 10.8.0.1 --dns fd00::1" \
    env dev=tun0 trusted_ip=198.51.100.7 trusted_port=1194 proto_1=udp "foreign_option_1=dhcp-option DNS 10.8.0.1" \
    "foreign_option_2=dhcp-option DOMAIN example.net" "foreign_option_3=dhcp-option DNS6 fd00::1" "$recipes/openvpn-up"
becomes "OpenVPN by TCP and IPv6" "$all tun1 --gw [2001:db8::7]:443/tcp" \
    env dev=tun1 trusted_ip6=2001:db8::7 trusted_port=443 proto_1=tcp6-client "$recipes/openvpn-up"
becomes "NetworkManager, WireGuard" "$all wg0 $wg_gateways --dns 10.64.0.1 --dns fd00::53" \
    env IP4_NAMESERVERS=10.64.0.1 IP6_NAMESERVERS=fd00::53 "$recipes/networkmanager" wg0 up
becomes "NetworkManager, a plugin" "$all tun0 --gw 198.51.100.7:1194/udp --dns 10.8.0.1" \
    env VPN_IP_IFACE=tun0 VPN_IP4_NAMESERVERS=10.8.0.1 "$recipes/networkmanager" wlan0 vpn-up
becomes "NetworkManager, no VPN" "" "$recipes/networkmanager" eth0 up
becomes "NetworkManager, something else" "" "$recipes/networkmanager" tun0 vpn-down
# As wg-quick runs it.
line=$(sed -n 's/^PostUp = //p' "$recipes/wg0.conf")
becomes "wg-quick" "$all wg0 $wg_gateways --dns 10.64.0.1" bash -c "${line//%i/wg0}"

# Docker's runtime: every container that is created gets the hook, before those that it has, and runc everything as it was.
if command -v jq >/dev/null; then
    mkdir "$bin/bundle"
    printf '#!/bin/sh\nprintf "%%s\\n" "$*" >"%s/asked"\n' "$bin" >"$bin/runc"
    chmod 755 "$bin/runc"
    echo '{"ociVersion": "1.0.2", "hooks": {"createRuntime": [{"path": "/other"}]}}' >"$bin/bundle/config.json"
    becomes "Docker, create" "--root /r create --bundle $bin/bundle --pid-file /p ID" \
        env LEAKBPF_HOOK_ARGS=--require-policy packaging/oci/leakbpf-runtime --root /r create --bundle "$bin/bundle" --pid-file /p ID
    hooks=$(jq -c '[.ociVersion, .hooks.createRuntime[].args, .hooks.createRuntime[].path]' "$bin/bundle/config.json")
    [ "$hooks" = '["1.0.2",["leakbpf","oci-hook","--require-policy"],null,"/usr/sbin/leakbpf","/other"]' ] ||
        fail "Docker, create: $hooks"
    echo '{}' >"$bin/bundle/config.json"
    becomes "Docker, restore" "--root /r restore --bundle $bin/bundle ID" packaging/oci/leakbpf-runtime --root /r restore --bundle "$bin/bundle" ID
    grep -q oci-hook "$bin/bundle/config.json" || fail "Docker, restore: a container without the hook"
    echo '{}' >"$bin/bundle/config.json"
    becomes "Docker, delete" "--root /r delete ID" packaging/oci/leakbpf-runtime --root /r delete ID
    [ "$(cat "$bin/bundle/config.json")" = "{}" ] || fail "Docker, delete: the configuration was changed"
    echo 'x' >"$bin/bundle/config.json"
    if packaging/oci/leakbpf-runtime create -b "$bin/bundle" ID 2>/dev/null; then fail "Docker: a container without the hook"; fi
fi

# The DaemonSet tries every policy of a turn, and only then ends because of one that failed.
mkdir "$bin/policies"
for name in a.slice b.slice c.slice; do echo "--gw 198.51.100.7 --dns 10.96.0.10" >"$bin/policies/$name"; done
cat >"$bin/leakbpf" <<STUB
#!/bin/sh
printf '%s\n' "\$*" >>"$bin/asked"
[ "\$7" != "\$(cat "$bin/fails")" ]
STUB
printf '#!/bin/sh\nexit 9\n' >"$bin/sleep" # instead of the next turn
chmod 755 "$bin/sleep"
awk '/^            - \|$/ { inside = 1; next } inside && !/^              / { exit } inside' \
    packaging/kubernetes/leakbpf.yaml | sed "s|/policies/|$bin/policies/|" >"$bin/turns"
[ -s "$bin/turns" ] || fail "the DaemonSet has no script"
turn() {
    echo "$1" >"$bin/fails"
    rm -f "$bin/asked"
    status=0
    told=$(sh -eu "$bin/turns" 2>&1) || status=$?
}
turn none
[ "$status" = 9 ] || fail "DaemonSet: ended with $status before the next turn: $told"
grep -q -- "attach --cgroup b.slice --gw 198.51.100.7 --dns 10.96.0.10$" "$bin/asked" || fail "DaemonSet: $(cat "$bin/asked")"
turn a.slice
[ "$(wc -l <"$bin/asked")" = 3 ] || fail "DaemonSet: after a failure the others were not tried: $(cat "$bin/asked")"
[ "$status" = 1 ] || fail "DaemonSet: a failure ended it with $status"
[ "$told" = "not guarded: a.slice" ] || fail "DaemonSet: told «$told»"
finish
