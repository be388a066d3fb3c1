// SPDX-License-Identifier: MIT
#include "prog_run/kernel_carry.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fmt/format.h>

#include <cstring>
#include <stdexcept>

#include "carry.skel.h"

namespace lk {

namespace {

constexpr std::size_t room_to_grow = 64;

void must(int error, const char *what) {
    if (error)
        throw std::runtime_error(fmt::format("{}: {}", what, std::strerror(error < 0 ? -error : errno)));
}

} // namespace

struct KernelCarry::Object {
    lk_carry *skeleton = nullptr;
    ~Object() { lk_carry__destroy(skeleton); }
};

KernelCarry::KernelCarry() : object_(std::make_unique<Object>()) {
    object_->skeleton = lk_carry__open_and_load();
    if (!object_->skeleton) must(-errno, "the test object could not be loaded");
}

KernelCarry::~KernelCarry() = default;

KernelCarry::Outcome KernelCarry::run(int program, const lk_carry_test &test,
                                      std::span<const std::uint8_t> frame) {
    const __u32 zero = 0;
    must(bpf_map_update_elem(bpf_map__fd(object_->skeleton->maps.lk_test), &zero, &test, BPF_ANY),
         "the case could not be written");
    Outcome out{0, std::vector<std::uint8_t>(frame.size() + room_to_grow)};
    LIBBPF_OPTS(bpf_test_run_opts, options);
    options.data_in = frame.data();
    options.data_size_in = static_cast<__u32>(frame.size());
    options.data_out = out.frame.data();
    options.data_size_out = static_cast<__u32>(out.frame.size());
    options.repeat = 1;
    must(bpf_prog_test_run_opts(program, &options), "BPF_PROG_TEST_RUN");
    out.frame.resize(options.data_size_out);
    out.code = static_cast<int>(options.retval);
    return out;
}

KernelCarry::Outcome KernelCarry::query(const lk_carry_test &test, std::span<const std::uint8_t> frame) {
    return run(bpf_program__fd(object_->skeleton->progs.lk_query), test, frame);
}

KernelCarry::Outcome KernelCarry::answer(const lk_carry_test &test, std::span<const std::uint8_t> frame) {
    return run(bpf_program__fd(object_->skeleton->progs.lk_answer), test, frame);
}

} // namespace lk
