// SPDX-License-Identifier: MIT
// Runs all GoogleTest tests of this program inside one sandbox; main() of a test is nothing but this.
#pragma once

namespace lk::harness {

// Exit status for main(). Skipped tests are written down, one "EXECUTABLE SUITE.TEST" a line, in
// $LK_SKIPS/EXECUTABLE.PID, so that a skip cannot hide (tests/netns/expected_skips.txt). With $LK_PART a part
// of the tests: see part.h.
int run_tests(int argc, char **argv);

} // namespace lk::harness
