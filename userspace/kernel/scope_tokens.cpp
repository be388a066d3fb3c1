// SPDX-License-Identifier: MIT
#include "kernel/scope_tokens.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>

#include "base/text.h"
#include "kernel/cgroup_links.h"
#include "kernel/sys.h"

namespace lk {

namespace {

constexpr const char *token_program = "lk_scope_token";
constexpr auto token_hook = BPF_CGROUP_SYSCTL; // no packet and no socket ever comes by it

Result<Program> opened(const std::string &path) {
    auto pin = open_pin(path);
    if (pin.error != 0) return system_error("cannot open " + path, pin.error);
    const auto info = program_info(pin.fd.get());
    if (!info || info->name != token_program) return failure(path + " is not our program");
    return Program{std::move(pin.fd), info->id};
}

} // namespace

std::string ScopeTokens::pin(std::uint64_t cgroup_id) const {
    return fmt::format("{}/{}", directory_, cgroup_id);
}

Result<Program> ScopeTokens::program() const {
    const auto path = fmt::format("{}/{}", directory_, token_program);
    if (auto there = opened(path)) return there;
    if (auto made = make_directory(directory_); !made) return made.error();
    if (auto removed = remove_pin(path); !removed) return removed.error();
    const bpf_insn goes_on[] = {{BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 1},
                                {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
    LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = token_hook);
    const Fd loaded{bpf_prog_load(BPF_PROG_TYPE_CGROUP_SYSCTL, token_program, "Dual BSD/GPL", goes_on,
                                  std::size(goes_on), &options)};
    if (!loaded) return system_error(fmt::format("cannot load {}", token_program), errno);
    if (bpf_obj_pin(loaded.get(), path.c_str()) != 0) return system_error("cannot pin " + path, errno);
    return opened(path);
}

void ScopeTokens::put(const std::string &root, const std::string &path, std::uint64_t cgroup_id) const {
    const auto program = this->program();
    const Fd cgroup{::open((root + "/" + path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!program || !cgroup) return;
    (void)attach_cgroup_link(pin(cgroup_id), "the token", *program, cgroup.get(), cgroup_id, token_hook);
    // Another cgroup may have come in its place.
    if (const auto link = pinned_cgroup_link(pin(cgroup_id)); link && link->info.target != cgroup_id)
        (void)remove(cgroup_id);
}

std::optional<bool> ScopeTokens::spent(std::uint64_t cgroup_id) const {
    const auto link = pinned_cgroup_link(pin(cgroup_id));
    if (!link) return std::nullopt;
    return link->info.target == 0;
}

Result<void> ScopeTokens::remove(std::uint64_t cgroup_id) const {
    return remove_pin(pin(cgroup_id));
}

Result<void> ScopeTokens::keep_only(const std::function<bool(std::uint64_t cgroup_id)> &kept) const {
    for (const auto &name : list_directory(directory_)) {
        const auto id = parse_decimal(name);
        if (name == token_program || (id && kept(*id))) continue;
        if (auto removed = remove_pin(directory_ + "/" + name); !removed) return removed;
    }
    return {};
}

} // namespace lk
