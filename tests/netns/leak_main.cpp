// SPDX-License-Identifier: MIT
// leak_matrix [--list] [--plain] [gtest options]: runs the matrix. --list prints each case; --plain only
// proves that the leak cases are visible without the filter.
#include <algorithm>
#include <cstring>
#include <iterator>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "harness/run_tests.h"
#include "leak_case.h"

using namespace lk::harness;

namespace {

Matrix matrix;
bool plain_only = false;

// The worlds of one setting and one state of the tunnel, made at first use.
struct Pair {
    std::unique_ptr<World> plain, guarded;
};

struct Sent {
    const Case *which;
    Mark mark;
    std::size_t since;
    bool tunnel;
    Setting setting;
};

struct Worlds {
    std::map<std::pair<Setting, bool>, Pair> pairs;
    std::vector<Sent> sent;
} worlds;

World &world(const Case &which, bool guarded) {
    Pair &pair = worlds.pairs[{which.vector->setting, which.tunnel}];
    std::unique_ptr<World> &found = guarded ? pair.guarded : pair.plain;
    if (!found) {
        std::string name = fmt::format("{}{}{}", guarded ? "g" : "p", which.tunnel ? "up" : "dn",
                                       which.vector->setting == Setting::strict ? "-strict" : "");
        auto made = std::make_unique<World>(WorldOptions{.name = name, .tunnel = which.tunnel});
        if (guarded) made->attach(attach_args(which.vector->setting));
        found = std::move(made);
    }
    return *found;
}

void run_plain(const Case &which) {
    if (!which.vector->unsendable.empty()) return;
    World &bare = world(which, false);
    Env env(which, bare);
    std::string trouble = which.vector->run(env);
    EXPECT_TRUE(bare.capture().awaits(env.mark, env.since)) << "not visible without the filter: " << trouble;
    if (which.vector->answered) {
        EXPECT_EQ(trouble, "") << "without the filter";
    }
}

void run_guarded(const Case &which) {
    World &guarded = world(which, true);
    Env env(which, guarded);
    std::string trouble = which.vector->run(env);
    if (which.vector->expect == Expect::leaves) {
        EXPECT_TRUE(guarded.capture().awaits(env.mark, env.since)) << "blocked: " << trouble << "\n"
                                                                   << guarded.leakbpf({"status"}).out;
        if (which.vector->answered) {
            EXPECT_EQ(trouble, "") << "with the filter";
        }
        return;
    }
    guarded.capture().settle();
    EXPECT_EQ(guarded.capture().count(env.mark, env.since), 0u) << "leaked";
    if (!which.vector->port)
        worlds.sent.push_back({&which, env.mark, env.since, which.tunnel, which.vector->setting});
}

class MatrixTest : public testing::Test {
  public:
    explicit MatrixTest(const Case &which) : which_(which) {}
    void TestBody() override {
        run_plain(which_);
        if (!plain_only) run_guarded(which_);
    }

  private:
    const Case &which_;
};

class SpecialTest : public testing::Test {
  public:
    explicit SpecialTest(const Special &which) : which_(which) {}
    void TestBody() override {
        Guard nothing;
        Sight bare = which_.body(nothing);
        EXPECT_TRUE(bare.all) << "not visible without the filter: " << bare.trouble;
        if (plain_only) return;
        LeakbpfGuard leakbpf(Setting::standard);
        Sight seen = which_.body(leakbpf);
        if (which_.expect == Expect::leaves) {
            EXPECT_TRUE(seen.all) << "blocked: " << seen.trouble;
        } else {
            EXPECT_FALSE(seen.any) << "leaked";
        }
    }

  private:
    const Special &which_;
};

// That there are no cases of a vector is a skip, which has to be expected.
class SendableTest : public testing::Test {
  public:
    explicit SendableTest(const Sendable &which) : which_(which) {}
    void TestBody() override {
        if (!which_.here) GTEST_SKIP() << "this kernel cannot send it";
    }

  private:
    const Sendable &which_;
};

// At the end: nothing of any case has come late (a retransmission, a queue), then the worlds go.
class Closing : public testing::Environment {
  public:
    void TearDown() override {
        for (const Sent &sent : worlds.sent) {
            World &guarded = *worlds.pairs[std::pair(sent.setting, sent.tunnel)].guarded;
            EXPECT_EQ(guarded.capture().count(sent.mark, sent.since), 0u)
                << "leaked late: " << sent.which->vector->group << "." << sent.which->name();
        }
        worlds.sent.clear();
        worlds.pairs.clear();
    }
};

void list() {
    fmt::print("{:<12} {:<64} {:<7} {}\n", "GROUP", "CASE", "EXPECT", "WITHOUT THE FILTER");
    for (const Case &which : matrix.cases()) {
        bool stays = which.vector->expect == Expect::stays;
        fmt::print("{:<12} {:<64} {:<7} {}\n", which.vector->group, which.name(), stays ? "stays" : "leaves",
                   which.vector->unsendable.empty() ? "visible"
                                                    : "cannot be sent: " + which.vector->unsendable);
    }
    long leaks = std::count_if(matrix.cases().begin(), matrix.cases().end(),
                               [](const Case &which) { return which.vector->expect == Expect::stays; });
    for (const Special &which : matrix.specials()) {
        bool stays = which.expect == Expect::stays;
        fmt::print("{:<12} {:<64} {:<7} visible\n", which.group, which.name, stays ? "stays" : "leaves");
        leaks += stays ? 1 : 0;
    }
    std::size_t all = matrix.cases().size() + matrix.specials().size();
    fmt::print("{} leak cases, {} pass cases\n", leaks, static_cast<long>(all) - leaks);
}

} // namespace

int main(int argc, char **argv) {
    add_all_cases(matrix);
    for (int index = 1; index < argc; index++) {
        if (strcmp(argv[index], "--list") == 0) return list(), 0;
        if (strcmp(argv[index], "--plain") == 0) plain_only = true;
    }
    for (const Case &which : matrix.cases())
        testing::RegisterTest(which.vector->group.c_str(), which.name().c_str(), nullptr, nullptr, __FILE__,
                              __LINE__, [&which]() -> testing::Test * { return new MatrixTest(which); });
    for (const Special &which : matrix.specials())
        testing::RegisterTest(which.group.c_str(), which.name.c_str(), nullptr, nullptr, __FILE__, __LINE__,
                              [&which]() -> testing::Test * { return new SpecialTest(which); });
    for (const Sendable &which : matrix.sendable())
        testing::RegisterTest(which.group.c_str(), which.name.c_str(), nullptr, nullptr, __FILE__, __LINE__,
                              [&which]() -> testing::Test * { return new SendableTest(which); });
    testing::AddGlobalTestEnvironment(new Closing);
    return run_tests(argc, argv);
}
