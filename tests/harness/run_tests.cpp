// SPDX-License-Identifier: MIT
// main() of every test with namespaces: the whole run is inside one sandbox. Skipped tests are written down,
// one "EXECUTABLE SUITE.TEST" a line, in $LK_SKIPS/EXECUTABLE, so that a skip cannot hide
// (tests/netns/expected_skips.txt).
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "harness/sandbox.h"

namespace {

void write_skips(const std::string &name, int run) {
    const char *dir = std::getenv("LK_SKIPS");
    if (!dir) return;
    mkdir(dir, 0755);
    std::ofstream file(std::string(dir) + "/" + name + "." +
                       std::to_string(run)); // a run may be of some tests only
    const testing::UnitTest &all = *testing::UnitTest::GetInstance();
    for (int suite = 0; suite < all.total_test_suite_count(); suite++) {
        const testing::TestSuite &tests = *all.GetTestSuite(suite);
        for (int index = 0; index < tests.total_test_count(); index++)
            if (tests.GetTestInfo(index)->result()->Skipped())
                file << name << " " << tests.name() << "." << tests.GetTestInfo(index)->name() << "\n";
    }
}

} // namespace

namespace lk::harness {

int run_tests(int argc, char **argv) {
    std::string name = argv[0];
    name = name.substr(name.rfind('/') + 1);
    testing::InitGoogleTest(&argc, argv);
    if (GTEST_FLAG_GET(list_tests)) return RUN_ALL_TESTS();
    return Sandbox::run(name, [&, outer_pid = getpid()] {
        int status = RUN_ALL_TESTS();
        write_skips(name, outer_pid);
        return status;
    });
}

} // namespace lk::harness
