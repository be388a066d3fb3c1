// SPDX-License-Identifier: MIT
// main() of the tests that bring none of their own.
#include "harness/run_tests.h"

int main(int argc, char **argv) {
    return lk::harness::run_tests(argc, argv);
}
