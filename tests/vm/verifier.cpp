// SPDX-License-Identifier: MIT
// Loads every BPF object of leakbpf into the running kernel and compares what the verifier walked through
// with what is recorded for this kernel and this compiler, or what is nearest: a program that grew by more
// than a tenth is a finding, because kernels give up after a million instructions and an attach that takes
// longer is longer open. Attaches nothing.
//
// lk_verifier RECORDS. A line of RECORDS is KERNEL CLANG OBJECT PROGRAM INSTRUCTIONS, or KERNEL CLANG OBJECT
// - refused for an object that leakbpf does without where the kernel does not take it. What was measured goes
// in this form to standard output, and to the file $LK_MEASURED where that is set. Exit status 77: not
// allowed to load programs.
#include <bpf/libbpf.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "kernel/object_file.h"
#include "kernel/objects.h"
#include "vm/verifier_records.h"

namespace {

using lk::vm::Records;
using lk::vm::Version;

struct CloseObject {
    void operator()(bpf_object *object) const { bpf_object__close(object); }
};

std::string said; // by libbpf, when it gave up

int keep(libbpf_print_level level, const char *format, va_list arguments) {
    std::array<char, 4096> line{};
    std::vsnprintf(line.data(), line.size(), format, arguments);
    if (level == LIBBPF_WARN) said += line.data();
    return 0;
}

Version kernel_version() {
    utsname running{};
    uname(&running);
    Version version;
    std::sscanf(running.release, "%d.%d", &version.first, &version.second);
    return version;
}

std::string text(Version kernel) {
    return fmt::format("{}.{}", kernel.first, kernel.second);
}

// "processed 1234 insns (limit 1000000) ..." of the verifier's statistics.
long instructions_of(const std::string &log) {
    const auto at = log.rfind("processed ");
    return at == std::string::npos ? -1 : std::atol(log.c_str() + at + std::strlen("processed "));
}

using Measured = std::map<std::string, long>; // by "OBJECT PROGRAM"

struct Subject {
    std::string name;
    std::span<const std::uint8_t> bytes;
    bool required;
};

std::vector<Subject> subjects() {
    std::vector<Subject> all;
    for (const auto &object : lk::embedded_objects()) {
        all.push_back({object.name, object.bytes, true});
        if (!object.exact.empty()) all.push_back({fmt::format("{}_exact", object.name), object.exact, false});
    }
    const auto tunnel = lk::tunnel_object();
    all.push_back({tunnel.name, tunnel.bytes, true});
    const auto serve = lk::serve_object();
    all.push_back({serve.name, serve.bytes, true});
    const auto gate = lk::gate_cgroup_object();
    all.push_back({gate.name, gate.bytes, true});
    for (const auto &object :
         {lk::gate_object(), lk::compat_object(), lk::lsm_object(), lk::scope_object(), lk::frames_object()})
        all.push_back({object.name, object.bytes, false});
    return all;
}

// None: the kernel refused the object.
std::optional<Measured> measure(const Subject &subject) {
    constexpr unsigned statistics = 4; // BPF_LOG_STATS
    LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = subject.name.c_str());
    const std::unique_ptr<bpf_object, CloseObject> object{
        bpf_object__open_mem(subject.bytes.data(), subject.bytes.size(), &options)};
    if (!object) return std::nullopt;
    lk::set_program_types(*object);
    std::map<std::string, std::vector<char>> logs;
    bpf_program *program = nullptr;
    bpf_object__for_each_program(program, object.get()) {
        auto &log = logs[fmt::format("{} {}", subject.name, bpf_program__name(program))];
        log.resize(1 << 16);
        bpf_program__set_log_level(program, statistics);
        bpf_program__set_log_buf(program, log.data(), log.size());
    }
    if (bpf_object__load(object.get()) != 0) {
        for (const auto &[name, log] : logs)
            said += log.data(); // what the verifier does not like
        return std::nullopt;
    }
    Measured measured;
    for (const auto &[name, log] : logs)
        measured[name] = instructions_of(log.data());
    return measured;
}

// False: it is more than RECORDS allow, and told.
bool judge(const std::string &name, long instructions, const Records &records, Version kernel) {
    const auto limit = records.limit(kernel, name);
    if (limit.instructions == 0)
        return fmt::print("{}: not recorded; scripts/vm --record does it\n", name), false;
    if (instructions > 0 && instructions <= limit.instructions) return true;
    fmt::print("{}: {} instructions, and {} at most are expected after {}\n", name, instructions,
               limit.instructions, limit.of);
    return false;
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 2) return fmt::print(stderr, "usage: lk_verifier RECORDS\n"), 2;
    if (geteuid() != 0) return fmt::print("SKIPPED: loading programs needs root\n"), 77;
    libbpf_set_print(keep);
    const auto kernel = kernel_version();
    std::ifstream file(argv[1]);
    const Records records(file, LK_CLANG);
    if (!records.has(kernel))
        fmt::print("nothing is recorded for kernel {} and clang {}: compared with what is nearest\n",
                   text(kernel), LK_CLANG);
    std::ofstream copy;
    if (const char *path = std::getenv("LK_MEASURED")) copy.open(path);
    int findings = 0;
    for (const auto &subject : subjects()) {
        said.clear();
        const auto measured = measure(subject);
        const bool refused = records.refused(kernel, subject.name);
        if (!measured) {
            const auto line = fmt::format("{} {} {} - refused\n", text(kernel), LK_CLANG, subject.name);
            fmt::print("{}: the kernel does not take it: {}\n{}{}", subject.name, std::strerror(errno), said,
                       subject.required ? "" : line);
            if (!subject.required) copy << line;
            if (subject.required || (records.has(kernel) && !refused)) findings++;
            continue;
        }
        // A machine's own configuration may refuse what the same kernel takes elsewhere, not the other way
        // round: the record stays.
        if (refused) fmt::print("{}: recorded as refused, but the kernel takes it here\n", subject.name);
        for (const auto &[name, instructions] : *measured) {
            const auto line = fmt::format("{} {} {} {}\n", text(kernel), LK_CLANG, name, instructions);
            fmt::print("{}", line);
            if (!refused) copy << line;
            if (!judge(name, instructions, records, kernel)) findings++;
        }
    }
    return findings == 0 ? 0 : 1;
}
