// SPDX-License-Identifier: MIT
// lk_fuzz_judges --packets N --seed S [--kernel yes|no|auto] [--jobs N] [--world I]: random packets over
// random worlds; native judge, reference model and (as root) the kernel must agree on verdict and reason.
#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

#include "cases/cases.h"
#include "cases/judges/native.h"
#include "fuzz/model.h"
#include "fuzz/random_packet.h"
#include "prog_run/kernel_judge.h"

namespace lk::fuzz {
namespace {

constexpr std::uint64_t least_of_a_world = 1'000, most_of_a_world = 20'000, worlds_wanted = 200;
constexpr std::uint64_t inactive_every = 50;             // worlds
constexpr std::uint64_t packets_between_clearings = 400; // tables of fragments are bounded in the kernel only
constexpr std::uint64_t half_a_life_ns = 16ull * 1'000'000'000; // two of them outlive a fragment
constexpr int told_at_most = 10;

struct Options {
    std::uint64_t packets = 300'000, seed = 0;
    std::string kernel = "auto";
    unsigned jobs = 2;
    std::optional<std::uint64_t> world;
};

struct Statistics {
    std::atomic<std::uint64_t> answers[LK_VERDICTS][LK_REASONS]{};
    std::atomic<std::uint64_t> packets{0}, asked_kernel{0}, disagreements{0};
};

class Run {
  public:
    Run(const Options &options, bool with_kernel) : options_(options), with_kernel_(with_kernel) {}

    // Worlds are numbered, and each has a generator of its own: a run with other --jobs meets the same
    // packets.
    void work() {
        std::optional<KernelJudge> kernel;
        if (with_kernel_) kernel.emplace();
        const std::uint64_t worlds = (options_.packets + of_a_world_ - 1) / of_a_world_;
        if (options_.world) {
            if (!taken_.exchange(1)) judge_world(*options_.world, of_a_world_, kernel);
            return;
        }
        for (std::uint64_t i; (i = taken_++) < worlds;)
            judge_world(i, std::min(of_a_world_, options_.packets - i * of_a_world_), kernel);
    }

    const Statistics &statistics() const { return statistics_; }

  private:
    void judge_world(std::uint64_t number, std::uint64_t packets, std::optional<KernelJudge> &kernel) {
        Random random(options_.seed * 0x100000001b3 ^ number << 1);
        World world = random_world(random);
        world.active = number % inactive_every != inactive_every - 1;
        model::Model model(world);
        NativeJudge native(world);
        if (kernel) kernel->use(world);
        PacketStream stream(world, random);
        std::uint64_t now_ns = 1;
        for (std::uint64_t i = 0; i < packets; ++i) {
            if (i % packets_between_clearings == 0) {
                model.forget_fragments();
                native.forget_fragments();
                if (kernel) kernel->forget_fragments();
            }
            if (random.below(150) == 0) {
                now_ns += half_a_life_ns;
                if (kernel) kernel->age_fragments(half_a_life_ns);
            }
            const Frame &frame = stream.next();
            const Sender sender = stream.sender();
            const Answer by_model = model.judge(sender, frame, now_ns),
                         by_native = native.judge(sender, frame, now_ns);
            const auto by_kernel = kernel ? kernel->judge(sender, frame) : std::nullopt;
            ++statistics_.packets;
            if (by_kernel) ++statistics_.asked_kernel;
            ++statistics_.answers[by_model.verdict][by_model.reason];
            if (by_model == by_native && (!by_kernel || *by_kernel == by_model)) {
                // A frame that the kernel could not be asked about leaves no first fragment there.
                if (kernel && !by_kernel && by_model.verdict == LK_PASS) {
                    model.forget_fragments();
                    native.forget_fragments();
                    kernel->forget_fragments();
                }
                continue;
            }
            if (++statistics_.disagreements > told_at_most) continue;
            const std::lock_guard lock(tell_);
            fmt::print(
                "--packets {} --seed {} --world {}, packet {}:\n  model:  {}\n  native: {}\n  kernel: {}\n  "
                "sender:{}{} mark "
                "{:#x}\n world:{}\n{}\n\n",
                options_.packets, options_.seed, number, i, to_string(by_model), to_string(by_native),
                by_kernel ? to_string(*by_kernel) : "not asked", sender.vpn_daemon ? " daemon" : "",
                sender.forwarded ? " forwarded" : "", sender.fwmark, describe(world), hexdump(frame));
        }
    }

    const Options options_;
    const bool with_kernel_;
    const std::uint64_t of_a_world_ =
        std::clamp(options_.packets / worlds_wanted, least_of_a_world, most_of_a_world);
    Statistics statistics_;
    std::atomic<std::uint64_t> taken_{0};
    std::mutex tell_;
};

// False: a reason that the uplink can give was not reached.
bool tell(const Statistics &s, double seconds) {
    bool whole = true;
    for (int reason = 0; reason < LK_REASONS; ++reason) {
        std::uint64_t of_reason = 0;
        for (int verdict = 0; verdict < LK_VERDICTS; ++verdict) {
            const std::uint64_t n = s.answers[verdict][reason];
            of_reason += n;
            if (n)
                fmt::print("  {:<24} {:>12}\n",
                           to_string({static_cast<lk_verdict>(verdict), static_cast<lk_reason>(reason)}), n);
        }
        const bool elsewhere = reason == LK_BYPASS || reason == LK_OUT_OF_SCOPE || reason == LK_DNS_PORTS ||
                               reason == LK_DNS_FLOW || reason == LK_DNS_SIZE;
        if (of_reason || elsewhere) continue;
        fmt::print("  {} was never reached\n", reason_name(static_cast<lk_reason>(reason)));
        whole = false;
    }
    fmt::print("{} packets in {:.1f} s, {} of them judged by the kernel too, {} disagreements\n",
               s.packets.load(), seconds, s.asked_kernel.load(), s.disagreements.load());
    return whole;
}

// The kernel's judge pretends to be on the loopback of a network namespace of our own.
bool kernel_can_be_asked() {
    return geteuid() == 0 && unshare(CLONE_NEWNET) == 0;
}

int main_of(int argc, char **argv) {
    Options options;
    options.seed = std::random_device{}();
    CLI::App app("Random packets for the three judges");
    app.add_option("--packets", options.packets, "how many");
    app.add_option("--seed", options.seed, "of the whole run; printed");
    app.add_option("--kernel", options.kernel, "ask the kernel too: yes, no or auto (as root)")
        ->check(CLI::IsMember({"yes", "no", "auto"}));
    app.add_option("--jobs", options.jobs, "threads")->check(CLI::Range(1u, 64u));
    app.add_option("--world", options.world, "only this world");
    CLI11_PARSE(app, argc, argv);

    const bool kernel = options.kernel != "no" && kernel_can_be_asked();
    if (options.kernel == "yes" && !kernel) {
        fmt::print("the kernel cannot be asked: that needs root\n");
        return 77;
    }
    fmt::print("--seed {} --packets {}, {}\n", options.seed, options.packets,
               kernel ? "model, native and kernel" : "model and native");
    std::fflush(stdout);
    Run run(options, kernel);
    const auto started = std::chrono::steady_clock::now();
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < options.jobs; ++i)
        threads.emplace_back([&] { run.work(); });
    threads.clear();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    const bool whole = tell(run.statistics(), took.count());
    return run.statistics().disagreements == 0 && (whole || options.world) ? 0 : 1;
}

} // namespace
} // namespace lk::fuzz

int main(int argc, char **argv) {
    return lk::fuzz::main_of(argc, argv);
}
