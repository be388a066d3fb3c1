# SPDX-License-Identifier: MIT
# Shared by the scripts: sourced, never run. Owns nothing but a few names; changes no directory.
# shellcheck shell=bash disable=SC2034

lk_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# Private tools (see scripts/setup) come last, so that installed ones win.
lk_tools=$lk_root/build/tools
case ":$PATH:" in
*":$lk_tools/podman/usr/bin:"*) ;;
*)
    export PATH="$PATH:/usr/sbin:/sbin:$lk_tools/openvpn/usr/sbin"
    export PATH="$PATH:$lk_tools/runtimes/usr/sbin:$lk_tools/runtimes/usr/bin:$lk_tools/podman/usr/bin"
    ;;
esac

say() { printf '%s\n' "$*"; }
die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}
is_root() { [ "$(id -u)" -eq 0 ]; }
