// SPDX-License-Identifier: MIT
#include "bench/speed_world.h"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/socket.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "bench/speed_sender.h"
#include "harness/must.h"
#include "harness/responder.h"
#include "harness/sandbox.h"
#include "harness/sender.h"
#include "kernel/netfilter.h"
#include "kernel/tcx.h"
#include "speed.skel.h"

namespace lk::bench {

using namespace harness;

namespace {

constexpr std::size_t trouble_bytes = 256;

struct Order {
    Task task = Task::gateway;
    Limits limits;
};

struct Answer {
    Slice slice;
    char trouble[trouble_bytes] = {};
};

void pin(bool last) {
    cpu_set_t all, one;
    CPU_ZERO(&one);
    must(sched_getaffinity(0, sizeof(all), &all) == 0, "the CPUs");
    int which = -1;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
        if (CPU_ISSET(cpu, &all) && (last || which < 0)) which = cpu;
    CPU_SET(which, &one);
    must(sched_setaffinity(0, sizeof(one), &one) == 0, "pinning to a CPU");
}

std::pair<Fd, Fd> channel() {
    int ends[2];
    must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
    return {Fd(ends[0]), Fd(ends[1])};
}

void read_away(int fd) {
    static char data[1 << 20];
    while (recv(fd, data, sizeof(data), MSG_TRUNC) > 0) {
    }
}

// One order after the other, for as long as it lives.
void obey(int fd, SpeedSender &sender) {
    for (Order order; read(fd, &order, sizeof(order)) == sizeof(order);) {
        Answer answer;
        try {
            answer.slice = sender.run(order.task, order.limits);
        } catch (const std::exception &error) {
            std::strncpy(answer.trouble, error.what(), trouble_bytes - 1);
        }
        must(write(fd, &answer, sizeof(answer)) == sizeof(answer), "answering");
    }
}

} // namespace

void pin_to_first_cpu() {
    pin(false);
}

void pin_to_last_cpu() {
    pin(true);
}

OnFirstCpu::OnFirstCpu() {
    must(sched_getaffinity(0, sizeof(before_), &before_) == 0, "the CPUs");
    pin_to_first_cpu();
}

OnFirstCpu::~OnFirstCpu() {
    sched_setaffinity(0, sizeof(before_), &before_);
}

SpeedWorld::SpeedWorld(const Subject &subject, unsigned number)
    : subject_(subject), net_({.name = fmt::format("speed{}", number),
                               .tunnel = false,
                               .tap = false,
                               .container = false,
                               .bridged = false,
                               .responder = false,
                               .capture = false}),
      cgroup_(fmt::format("speed{}", number)), programs_(lk_speed::open_and_load(), lk_speed::destroy) {
    must(programs_ != nullptr, "loading speed.bpf.o");
    for (const Netns *netns : {&net_.host(), &net_.isp()})
        netns->sysctl("ipv4/tcp_slow_start_after_idle", "0");
    net_.isp().inside([this] {
        far_side_ = Fd(tcx::create_link(bpf_program__fd(programs_->progs.lk_far_side),
                                        net_.isp().ifindex("h0"), tcx::ingress));
    });
    must(static_cast<bool>(far_side_), "the far side's program");
    subject_.set_up(*this);
    start_sender();
}

SpeedWorld::~SpeedWorld() {
    sender_.reset();
    if (guarded_) harness::run(leakbpf({"detach", "--all"}), {.netns = net_.host().fd()});
}

void SpeedWorld::start_sender() {
    auto [mine, theirs] = channel();
    auto [bulk_out, bulk_in] = channel();
    reader_ = std::make_unique<Helper>(Identity{}, [&bulk_in](const std::function<void()> &ready) {
        pin_to_last_cpu();
        ready();
        while (true)
            read_away(receive_fd(bulk_in.get()).get());
    });
    const auto body = [&, this](const std::function<void()> &ready) {
        enter_cgroup();
        pin_to_first_cpu();
        Fd far;
        net_.isp().inside([&far] { far = listener(SOCK_STREAM, 443); });
        SpeedSender sender(subject_, std::move(far), bulk_out.get());
        ready();
        obey(theirs.get(), sender);
    };
    sender_ = std::make_unique<Helper>(Identity{.netns = net_.host().fd()}, body);
    channel_ = std::move(mine);
}

void SpeedWorld::enter_cgroup() const {
    harness::enter_cgroup(cgroup_.path());
}

Slice SpeedWorld::run(Task task, const Limits &limits) {
    const Order order{task, limits};
    Answer answer;
    if (write(channel_.get(), &order, sizeof(order)) != sizeof(order) ||
        read(channel_.get(), &answer, sizeof(answer)) != sizeof(answer))
        throw std::runtime_error(fmt::format("{}: the sender ended", subject_.name));
    if (answer.trouble[0]) throw std::runtime_error(fmt::format("{}: {}", subject_.name, answer.trouble));
    return answer.slice;
}

std::uint64_t SpeedWorld::arrived(unsigned last_byte) const {
    std::uint64_t count = 0;
    must(bpf_map_lookup_elem(bpf_map__fd(programs_->maps.lk_arrived), &last_byte, &count) == 0, "lk_arrived");
    return count;
}

void SpeedWorld::guard(const std::vector<std::string> &words) {
    guarded_ = true;
    must_run(leakbpf(words));
}

std::vector<std::string> SpeedWorld::leakbpf(const std::vector<std::string> &words) const {
    return cgroup_.leakbpf(words);
}

void SpeedWorld::must_run(const std::vector<std::string> &argv, const std::string &input) {
    const Output output =
        harness::run(argv, {.netns = net_.host().fd(), .input = input, .timeout = std::chrono::minutes(2)});
    if (output.status != 0)
        throw std::runtime_error(
            fmt::format("{}: {}: status {}\n{}", subject_.name, argv.front(), output.status, output.err));
}

void SpeedWorld::attach_floor() {
    net_.host().inside([this] {
        floor_ =
            Fd(tcx::create_link(bpf_program__fd(programs_->progs.lk_floor), net_.host().ifindex("eth0")));
    });
    must(static_cast<bool>(floor_), "the empty program");
}

void SpeedWorld::attach_gate_floor() {
    const bpf_insn accepts[] = {{BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 1},
                                {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
    LIBBPF_OPTS(bpf_prog_load_opts, options,
                .expected_attach_type = static_cast<bpf_attach_type>(netfilter::attach_type));
    const Fd program(bpf_prog_load(static_cast<bpf_prog_type>(netfilter::program_type), "lk_gate_floor",
                                   "Dual BSD/GPL", accepts, std::size(accepts), &options));
    must(static_cast<bool>(program), "loading an empty program for netfilter");
    net_.host().inside([&, this] { gate_floor_ = Fd(netfilter::create_link(program.get(), AF_INET)); });
    must(static_cast<bool>(gate_floor_), "the empty program at netfilter");
}

std::string SpeedWorld::file(const std::string &name, const std::string &text) const {
    const std::string path = fmt::format("{}/{}-{}", Sandbox::current().dir(), net_.options().name, name);
    std::ofstream file(path);
    file << text << std::flush;
    if (!file) throw std::runtime_error("cannot write " + path);
    return path;
}

} // namespace lk::bench
