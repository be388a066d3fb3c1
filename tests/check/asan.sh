#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The unit and native tests run clean under the address and undefined behaviour sanitizers.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

dir=$lk_root/build/asan
mkdir -p "$dir"
cmake --preset asan >"$dir/configure.log" 2>&1 || {
    cat "$dir/configure.log"
    die "configuring preset asan failed"
}
mapfile -t targets < <(ninja -C "$dir" -t targets all | sed -n 's/^\(unit_[a-z_]*\): phony$/\1/p')
[ ${#targets[@]} -gt 0 ] || die "preset asan has no unit_* target"
cmake --build "$dir" --parallel "$(nproc)" --target "${targets[@]}" -- --quiet
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
ctest --test-dir "$dir" -j"$(nproc)" -L '^unit$' --no-tests=error --output-on-failure --progress
