// SPDX-License-Identifier: MIT
// Names of pins and processes.
#include <unistd.h>

#include <filesystem>

#include <gtest/gtest.h>

#include "kernel/pins.h"
#include "kernel/process_start.h"
#include "kernel/state.h"
#include "kernel/sys.h"

namespace lk {

TEST(Place, HasADirectoryWithoutDotsForEachNamespaceAndVersion) {
    const Place place{"/sys/fs/bpf", "", 4711};
    EXPECT_EQ(place.directory(), "/sys/fs/bpf/leakbpf/net-4711-v" + std::to_string(LK_ABI_VERSION));
    EXPECT_TRUE(place.directory().ends_with(namespace_prefix(4711) + std::to_string(LK_ABI_VERSION)));
    EXPECT_NE((Place{"/sys/fs/bpf", "", 471}.directory()), place.directory());
}

TEST(Pins, IfindexesAreReadFromNamesThatAreWhole) {
    const auto directory =
        std::filesystem::temp_directory_path() / ("leakbpf-pins-" + std::to_string(getpid()));
    std::filesystem::create_directories(directory);
    for (const char *name : {"uplink-12", "uplink-3", "uplink-", "uplink-0", "uplink-3x",
                             "uplink-99999999999", "uplinks-4", "clsact-5", "cgroup-connect4"})
        std::filesystem::create_directory(directory / name);
    EXPECT_EQ(pinned_ifindexes(directory, "uplink"), (std::vector<int>{3, 12}));
    EXPECT_EQ(pinned_ifindexes(directory, "clsact"), (std::vector<int>{5}));
    EXPECT_TRUE(pinned_ifindexes(directory / "nowhere", "uplink").empty());
    EXPECT_TRUE(remove_tree(directory));
    EXPECT_FALSE(path_exists(directory));
}

TEST(ProcessStart, IsReadBehindANameOfAnyKind) {
    const std::string fields = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 987654 20 21\n";
    EXPECT_EQ(start_ticks_in("77 (leakbpf)" + fields), 987654u);
    EXPECT_EQ(start_ticks_in("77 (a) S 1 (b c)" + fields), 987654u);
    EXPECT_FALSE(start_ticks_in("77 (leakbpf) S 1 2 3"));
    EXPECT_FALSE(start_ticks_in("leakbpf"));
    EXPECT_FALSE(start_ticks_in(""));
}

TEST(ProcessStart, KnowsThisProcessAndNoneThatIsNot) {
    EXPECT_TRUE(process_start_ticks(getpid()));
    EXPECT_FALSE(process_start_ticks(-1));
}

TEST(SystemError, TellsAMissingPrivilegeFromOtherFailures) {
    EXPECT_EQ(system_error("x", EPERM).exit, Exit::permission);
    EXPECT_EQ(system_error("x", ENOMEM).exit, Exit::failure);
    EXPECT_EQ(system_error("cannot do it", ENOENT).message, "cannot do it: No such file or directory");
}

} // namespace lk
