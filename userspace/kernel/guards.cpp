// SPDX-License-Identifier: MIT
// Programs on the kernel's security functions: objects of their own, loaded over the same maps, links pinned.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "kernel/keeper.h"
#include "kernel/lsm_list.h"
#include "kernel/object_file.h"
#include "kernel/state_impl.h"
#include "kernel/sys.h"

namespace lk {

namespace {

struct GuardKind {
    const char *name;
    const char *program;
    bool lsm; // of the object lk_lsm
};
constexpr std::array<GuardKind, 3> kinds{{{"compat", "lk_compat_guard", false},
                                          {"sockets", "lk_make_socket", true},
                                          {"links", "lk_bpf_command", true}}};
static_assert(std::string_view(kinds.back().name) == "links");

struct Pinned {
    Fd link;
    LinkInfo info;
};

// The pinned link, if its program was loaded after NEWER_THAN: guards are attached after the programs that
// they guard, so an older one is of another build or judges by other maps.
std::optional<Pinned> current_guard(const Pins &pins, const GuardKind &kind, std::uint64_t newer_than_ns) {
    auto opened = open_pin(pins.guard_link(kind.name));
    if (opened.error != 0) return std::nullopt;
    const auto info = link_info(opened.fd.get());
    if (!info) return std::nullopt;
    const Fd program{bpf_prog_get_fd_by_id(info->program_id)};
    const auto program_is = program ? program_info(program.get()) : std::nullopt;
    if (!program_is || program_is->name != std::string_view{kind.program}.substr(0, BPF_OBJ_NAME_LEN - 1) ||
        program_is->load_time_ns < newer_than_ns)
        return std::nullopt;
    return Pinned{std::move(opened.fd), *info};
}

std::uint64_t load_time_ns(const Program &program) {
    const auto info = program_info(program.fd.get());
    return info ? info->load_time_ns : UINT64_MAX;
}

// Puts the new link in place of what is pinned, so that there is no moment without one.
Result<void> attach_guard(const Pins &pins, const GuardKind &kind, bpf_object &object) {
    const bpf_program *program = bpf_object__find_program_by_name(&object, kind.program);
    bpf_link *link = program ? bpf_program__attach(program) : nullptr;
    if (!link) return system_error(fmt::format("cannot attach the guard {}", kind.name), errno);
    const auto path = pins.guard_link(kind.name);
    const auto beside = path + "-new";
    Result<void> done = remove_pin(beside);
    if (done && bpf_obj_pin(bpf_link__fd(link), beside.c_str()) != 0)
        done = system_error("cannot pin " + beside, errno);
    if (done) done = move_path(beside, path);
    bpf_link__destroy(link); // the pin keeps it
    return done;
}

Result<void> put_makers(const Pins &pins, const std::vector<std::string> &makers) {
    constexpr MapShape shape{"lk_makers", BPF_MAP_TYPE_HASH, sizeof(lk_maker), sizeof(__u32), 0};
    auto map = RawMap::open(pins.maps() + "/lk_makers", shape);
    if (!map) return map.error();
    std::vector<lk_maker> gone;
    const auto named = [](const lk_maker &key) {
        return std::string(key.name, ::strnlen(key.name, sizeof(key.name)));
    };
    auto walked = map->for_each([&](const void *key, const void *) {
        const auto &maker = *static_cast<const lk_maker *>(key);
        if (std::ranges::find(makers, named(maker)) == makers.end()) gone.push_back(maker);
    });
    if (!walked) return walked;
    for (const auto &name : makers) {
        lk_maker key{};
        const __u32 one = 1;
        if (name.size() >= sizeof(key.name))
            return bad_input(
                fmt::format("the program name {} is longer than {} bytes", name, sizeof(key.name) - 1));
        std::memcpy(key.name, name.data(), name.size());
        if (auto put = map->put(&key, &one); !put) return put;
    }
    return map->erase_all(gone.data(), gone.size());
}

// Which programs' links are ours: those of every hook, the guards' own too.
Result<void> put_programs(const Pins &pins, const Programs &programs, std::uint64_t newer_than_ns) {
    constexpr MapShape shape{guard_map_name, BPF_MAP_TYPE_ARRAY, sizeof(__u32), sizeof(lk_guard), 1};
    auto map = RawMap::open(pins.maps() + "/" + guard_map_name, shape);
    if (!map) return map.error();
    const __u32 zero = 0;
    lk_guard guard{};
    map->lookup(&zero, &guard);
    guard.n_programs = 0;
    const auto add = [&guard](std::uint32_t id) {
        if (guard.n_programs < LK_GUARD_PROGRAMS) guard.programs[guard.n_programs++] = id;
    };
    for (const auto &[name, program] : programs)
        add(program.id);
    for (const auto &kind : kinds)
        if (const auto link = current_guard(pins, kind, newer_than_ns)) add(link->info.program_id);
    return map->put(&zero, &guard);
}

} // namespace

Result<void> State::Impl::tell_links_guard() const {
    const auto since = load_time_ns(program(uplink_program));
    if (!current_guard(pins, kinds.back(), since)) return {};
    return put_programs(pins, programs, since);
}

Result<std::vector<GuardHook>> State::attach_guards(const std::vector<std::string> &makers) {
    if (auto fresh = impl_->refresh(); !fresh) return fresh.error();
    const auto &pins = impl_->pins;
    const Keeper keeper{pins};
    const auto since = load_time_ns(impl_->program(uplink_program));
    const auto modules = active_lsms();
    const bool inert = !modules || std::ranges::find(*modules, "bpf") == modules->end();
    std::vector<GuardHook> answer;
    for (const bool lsm : {false, true}) {
        std::string why_not;
        if (lsm && inert)
            why_not = modules ? "bpf is not among the active security modules, so it would never be called: "
                                "boot with lsm=...,bpf"
                              : "which security modules are active cannot be read, so it may never be called";
        Object object;
        const bool all_there = std::ranges::all_of(kinds, [&](const GuardKind &kind) {
            return kind.lsm != lsm || current_guard(pins, kind, since).has_value();
        });
        if (why_not.empty() && !all_there) {
            auto loaded = load_object(lsm ? lsm_object() : compat_object(), pins.maps());
            if (loaded)
                object = std::move(*loaded);
            else
                why_not = loaded.error().message;
        }
        for (const auto &kind : kinds) {
            if (kind.lsm != lsm) continue;
            GuardHook hook{kind.name, why_not.empty(), why_not};
            if (object && !current_guard(pins, kind, since))
                if (auto attached = attach_guard(pins, kind, *object); !attached)
                    hook = {kind.name, false, attached.error().message};
            // What is not to be there, or judges by another build, ends here.
            if (!hook.alive)
                if (auto removed = remove_pin(pins.guard_link(kind.name)); !removed) return removed.error();
            answer.push_back(std::move(hook));
        }
        if (!lsm ||
            !std::ranges::any_of(answer, [](const auto &hook) { return hook.name == "links" && hook.alive; }))
            continue;
        if (auto put = put_makers(pins, makers); !put) return put.error();
        if (auto put = put_programs(pins, impl_->programs, since); !put) return put.error();
    }
    return answer;
}

Result<std::vector<GuardHook>> State::guard_hooks() const {
    const auto since = load_time_ns(impl_->program(uplink_program));
    std::vector<GuardHook> hooks;
    for (const auto &kind : kinds)
        hooks.push_back({kind.name, current_guard(impl_->pins, kind, since).has_value(), ""});
    return hooks;
}

} // namespace lk
