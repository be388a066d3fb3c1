# SPDX-License-Identifier: MIT
# Reads ctest's JUnit file: counts, and the skipped tests that nobody expected. Sourced; needs common.sh.
# shellcheck shell=bash disable=SC2154

# "PASSED FAILED SKIPPED"
count_results() {
    awk '
        /<testcase / { if (/status="run"/) p++; else if (/status="fail"/) f++; else s++ }
        END { print p + 0, f + 0, s + 0 }' "$1" 2>/dev/null || echo 0 0 0
}

skipped_tests() {
    sed -n 's/.*<testcase name="\([^"]*\)".*status="\(notrun\|disabled\)".*/\1/p' "$1"
}

# Whether a condition of tests/check/expected_skips holds on this machine.
skip_condition() {
    case "$1" in
    always) ;;
    not-root) ! is_root ;;
    no-kernel) # no-kernel VERSION: the running one is older
        [ "$(printf '%s\n%s\n' "$2" "$(uname -r)" | sort -V | head -n 1)" != "$2" ] ;;
    no-link) # no-link KIND: the kernel cannot make such a device
        ! is_root || ! unshare -n ip link add lk-probe type "$2" >/dev/null 2>&1 ;;
    no-tool) ! command -v "$2" >/dev/null ;;
    *) die "expected_skips: unknown condition «$1»" ;;
    esac
}

# Lines of expected_skips: REGEX CONDITION [ARGUMENT] # why. One line for each skip that no line covers.
unexpected_skips() {
    local name pattern condition argument rest covered
    [ -r "$1" ] || {
        say "test: ctest wrote no $1"
        return 1
    }
    while read -r name; do
        covered=no
        while read -r pattern condition argument rest; do
            case "$pattern" in "" | "#"*) continue ;; esac
            if [[ $name =~ ^($pattern)$ ]] && skip_condition "$condition" "$argument"; then
                covered=yes
                break
            fi
        done <"$lk_root/tests/check/expected_skips"
        [ "$covered" = yes ] || say "test: skipped though nothing in tests/check/expected_skips says so: $name"
    done < <(skipped_tests "$1")
}
