#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Touching any header that BPF code includes rebuilds BPF objects, those of the tests among them. Works on a copy, so
# that the build beside it stays as it is.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r bpf include cmake "$copy/"
mkdir "$copy/tests"
cp tests/prog_run/*.bpf.c tests/prog_run/*.h "$copy/tests/"
cat >"$copy/CMakeLists.txt" <<'CMAKE'
cmake_minimum_required(VERSION 3.25)
project(bpf_dependencies C)
list(APPEND CMAKE_MODULE_PATH ${PROJECT_SOURCE_DIR}/cmake)
include(Bpf)
add_subdirectory(bpf)
get_property(targets DIRECTORY bpf PROPERTY BUILDSYSTEM_TARGETS)
file(GLOB sources ${PROJECT_SOURCE_DIR}/tests/*.bpf.c)
foreach(source ${sources})
    cmake_path(GET source STEM name)
    leakbpf_bpf_skeleton(${name} ${source})
    list(APPEND targets ${name}_skeleton)
endforeach()
list(FILTER targets INCLUDE REGEX "_skeleton$")
add_custom_target(everything ALL DEPENDS ${targets})
CMAKE
cmake -S "$copy" -B "$copy/build" -G Ninja >"$copy/log" 2>&1 || {
    cat "$copy/log"
    die "configuring the copy failed"
}
ninja -C "$copy/build" --quiet
plan() { ninja -C "$copy/build" -n; }
grep -q 'no work to do' <<<"$(plan)" || die "the copy is not up to date right after it was built"

cd "$copy"
for header in bpf/*.h include/leakbpf/*.h; do
    sleep 0.02 # a later time stamp than that of the objects, on file systems that count in jiffies
    touch "$header"
    if grep -q 'BPF ' <<<"$(plan)"; then
        ninja -C build --quiet
    else
        fail "$header: touching it rebuilds no BPF object (or nothing includes it)"
    fi
done
finish
