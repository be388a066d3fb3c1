// SPDX-License-Identifier: MIT
// main() of every test with namespaces: the whole run is inside one sandbox. Skipped tests are written down,
// one "EXECUTABLE SUITE.TEST" a line, in $LK_SKIPS/EXECUTABLE, so that a skip cannot hide
// (tests/netns/expected_skips.txt); and in $LK_RAN all that were to run, for runs of a part.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <string>

#include <gtest/gtest.h>

#include "harness/part.h"
#include "harness/sandbox.h"

namespace {

// Of the tests that WANTED chooses, in the directory that VARIABLE names. False: it cannot be written.
bool write_tests(const char *variable, const std::string &name, int run,
                 const std::function<bool(const testing::TestInfo &)> &wanted) {
    const char *dir = std::getenv(variable);
    if (!dir) return true;
    mkdir(dir, 0755);
    std::ofstream file(std::string(dir) + "/" + name + "." +
                       std::to_string(run)); // a run may be of some tests only
    const testing::UnitTest &all = *testing::UnitTest::GetInstance();
    for (int suite = 0; suite < all.total_test_suite_count(); suite++) {
        const testing::TestSuite &tests = *all.GetTestSuite(suite);
        for (int index = 0; index < tests.total_test_count(); index++)
            if (wanted(*tests.GetTestInfo(index)))
                file << name << " " << tests.name() << "." << tests.GetTestInfo(index)->name() << "\n";
    }
    file.close();
    if (!file) std::cerr << "what " << variable << " asks for cannot be written in " << dir << "\n";
    return file.good();
}

} // namespace

namespace lk::harness {

int run_tests(int argc, char **argv) {
    std::string name = argv[0];
    name = name.substr(name.rfind('/') + 1);
    testing::InitGoogleTest(&argc, argv);
    if (const char *part = std::getenv("LK_PART")) keep_part(part);
    if (GTEST_FLAG_GET(list_tests)) return RUN_ALL_TESTS();
    return Sandbox::run(name, [&, outer_pid = getpid()] {
        int status = RUN_ALL_TESTS();
        const bool written =
            write_tests("LK_SKIPS", name, outer_pid,
                        [](const testing::TestInfo &test) { return test.result()->Skipped(); }) &&
            write_tests("LK_RAN", name, outer_pid,
                        [](const testing::TestInfo &test) { return test.should_run(); });
        return status == 0 && !written ? 1 : status;
    });
}

} // namespace lk::harness
