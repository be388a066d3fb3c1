#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Every header compiles on its own: C++ ones by g++, those of bpf/ by clang for the bpf target, abi.h by both.
# gateway.h, classify.h and what builds on them want the map lookups defined by whoever includes them: in the kernel, lookup.h and fragment.h.
# translate.h, carry.h, hidden.h and back.h likewise want helpers and tables, which carry_maps.h and back_maps.h give them.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

read -ra libraries <<<"$(pkg-config --cflags libnl-3.0 libnl-route-3.0 libbpf)"
export includes="-I$lk_root/userspace -I$lk_root/include -I$lk_root/bpf -I$lk_root/tests -I$build/bpf ${libraries[*]}"
arch_include=/usr/include/$(g++ -print-multiarch)
export arch_include

# One header per call, so that xargs can run two at a time.
compile_alone() {
    local header=$1 first=()
    case "$header" in bpf/gateway.h | bpf/classify.h | bpf/verdict.h | bpf/glance.h | bpf/bootstrap.h | bpf/bootstrap_maps.h | bpf/serve.h | bpf/serve_maps.h) first=(-include bpf/lookup.h -include bpf/fragment.h) ;; esac
    case "$header" in bpf/translate.h | bpf/carry.h | bpf/hidden.h) first=(-include bpf/carry_maps.h) ;; esac
    case "$header" in bpf/back.h) first=(-include bpf/back_maps.h) ;; esac
    case "$header" in bpf/gate.h | bpf/gate_maps.h) first=(-include bpf/gate_cgroup.bpf.c) ;; esac
    case "$header" in bpf/gateway_hosts.h) first=(-include bpf/lookup.h) ;; bpf/scope_judge.h) first=(-include bpf/scope.bpf.c) ;; esac
    case "$header" in
    bpf/*)
        # shellcheck disable=SC2086 # a list of options
        clang -target bpf -mcpu=v3 -std=gnu11 -fsyntax-only -Wall -Wextra -Werror -Wno-unused-function $includes \
            -isystem "$arch_include" "${first[@]}" -include "$header" -x c /dev/null
        ;;
    *)
        # shellcheck disable=SC2086
        g++ -std=c++20 -fsyntax-only -Wall -Wextra -Werror $includes -include "$header" -x c++ /dev/null
        ;;
    esac || {
        printf '%s does not compile on its own\n' "$header"
        return 1
    }
}
export -f compile_alone

# shellcheck disable=SC2016 # the inner shell expands it
tracked 'userspace/*.h' 'include/*.h' 'bpf/*.h' 'tests/*.h' |
    xargs -r -P "$(nproc)" -I{} bash -c 'compile_alone "$1"' _ {}
clang -target bpf -std=gnu11 -fsyntax-only -Wall -Wextra -Werror -Iinclude -isystem "$arch_include" -include include/leakbpf/abi.h -x c /dev/null
