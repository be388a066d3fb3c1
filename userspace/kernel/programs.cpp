// SPDX-License-Identifier: MIT
#include "kernel/programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <span>

#include "kernel/kernel_maps.h"
#include "kernel/object_file.h"
#include "kernel/objects.h"
#include "kernel/state_impl.h"
#include "kernel/sys.h"

namespace lk {

namespace {

constexpr MapShape build_shape{"lk_build", BPF_MAP_TYPE_ARRAY, 4, 8, 1};
std::string build_pin(const std::string &directory) {
    return directory + "/build";
}

} // namespace

Result<void> load_and_pin(const EmbeddedObject &embedded, const Pins &pins, const std::string &directory) {
    auto object = load_object(embedded, pins.maps());
    if (!object) return object.error();
    bpf_program *program = nullptr;
    bpf_object__for_each_program(program, object->get()) {
        const auto path = fmt::format("{}/{}", directory, bpf_program__name(program));
        if (bpf_obj_pin(bpf_program__fd(program), path.c_str()) != 0)
            return system_error(fmt::format("cannot pin {}", path), errno);
    }
    return {};
}

namespace {

// What no BPF object declares: the counter of set ids, and the word's version.
Result<void> prepare_maps(const Pins &pins) {
    const auto path = fmt::format("{}/{}", pins.maps(), ids_map_name);
    const __u32 zero = 0;
    if (!path_exists(path)) {
        auto ids = RawMap::create({ids_map_name, BPF_MAP_TYPE_ARRAY, 4, 4, 1}, BPF_F_MMAPABLE);
        if (!ids) return ids.error();
        const __u32 first = 1;
        if (auto put = ids->put(&zero, &first); !put) return put;
        if (bpf_obj_pin(ids->fd(), path.c_str()) != 0) return system_error("cannot pin " + path, errno);
    }
    auto word = Map<__u32, lk_word>::open(pins.maps(), "lk_word", BPF_MAP_TYPE_ARRAY, 1);
    if (!word) return word.error();
    lk_word value{};
    word->lookup(zero, value);
    if (value.abi == LK_ABI_VERSION) return {}; // in use: its epoch is not ours to write here
    value.abi = LK_ABI_VERSION;
    return word->put(zero, value);
}

Result<void> pin_build(const Pins &pins) {
    auto map = RawMap::create(build_shape, 0);
    if (!map) return map.error();
    const __u32 zero = 0;
    const auto digest = embedded_digest();
    if (auto put = map->put(&zero, &digest); !put) return put;
    const auto path = build_pin(pins.new_programs());
    if (bpf_obj_pin(map->fd(), path.c_str()) != 0) return system_error("cannot pin " + path, errno);
    return {};
}

// WORD_MAP_ID: of the map that the uplink's and the tunnels' programs must use.
Result<void> open_pinned(const Pins &pins, const std::string &name, std::uint32_t word_map_id,
                         Programs &programs) {
    const auto path = fmt::format("{}/{}", pins.programs(), name);
    auto opened = open_pin(path);
    if (opened.error != 0) return system_error("cannot open " + path, opened.error);
    const auto object_info = identify(opened.fd.get());
    if (!object_info || object_info->kind != BpfKind::program || object_info->name != name)
        return failure(path + " is not our program");
    const auto info = program_info(opened.fd.get());
    const bool must_use = name == uplink_program || name == tunnel_out_program || name == serve_program ||
                          name == gate_netfilter_program || name == gate_cgroup_program;
    if (must_use && std::ranges::find(info->map_ids, word_map_id) == info->map_ids.end())
        return failure(path + " works with other maps than those pinned beside it");
    programs.insert_or_assign(name, Program{std::move(opened.fd), info->id});
    return {};
}

// Open here, or pinned meanwhile by another process.
bool is_there(const Pins &pins, const std::string &name, std::uint32_t word_map_id, Programs &programs) {
    return programs.contains(name) || open_pinned(pins, name, word_map_id, programs).has_value();
}

constexpr const char *gate_programs[] = {gate_netfilter_program, gate_cgroup_program};
constexpr const char *serve_programs[] = {serve_program};
constexpr const char *tunnel_programs[] = {tunnel_in_program, tunnel_out_program};

} // namespace

Result<Programs> open_programs(const Pins &pins, std::uint32_t word_map_id) {
    Programs programs;
    if (auto opened = open_pinned(pins, uplink_program, word_map_id, programs); !opened)
        return opened.error();
    for (const auto &kind : cgroup_hook_kinds())
        if (auto opened = open_pinned(pins, kind.program, word_map_id, programs); !opened)
            return opened.error();
    // Those that are not there, or not as they should be, are loaded when they are wanted.
    for (const auto &names :
         {std::span<const char *const>{tunnel_programs}, std::span<const char *const>{gate_programs},
          std::span<const char *const>{serve_programs}})
        for (const char *name : names)
            (void)open_pinned(pins, name, word_map_id, programs);
    return programs;
}

Result<void> want_tunnel_programs(const Pins &pins, std::uint32_t word_map_id, Programs &programs) {
    const auto there = [&](const char *name) { return is_there(pins, name, word_map_id, programs); };
    if (std::ranges::all_of(tunnel_programs, there)) return {};
    for (const char *name : tunnel_programs)
        if (auto removed = remove_pin(fmt::format("{}/{}", pins.programs(), name)); !removed) return removed;
    if (auto loaded = load_and_pin(tunnel_object(), pins, pins.programs()); !loaded) return loaded;
    for (const char *name : tunnel_programs)
        if (auto opened = open_pinned(pins, name, word_map_id, programs); !opened) return opened;
    return {};
}

Result<void> want_serve_program(const Pins &pins, std::uint32_t word_map_id, Programs &programs) {
    if (is_there(pins, serve_program, word_map_id, programs)) return {};
    if (auto removed = remove_pin(fmt::format("{}/{}", pins.programs(), serve_program)); !removed)
        return removed;
    if (auto loaded = load_and_pin(serve_object(), pins, pins.programs()); !loaded) return loaded;
    return open_pinned(pins, serve_program, word_map_id, programs);
}

Result<void> want_gate_program(const Pins &pins, std::uint32_t word_map_id, Programs &programs) {
    const auto there = [&](const char *name) { return is_there(pins, name, word_map_id, programs); };
    if (std::ranges::any_of(gate_programs, there)) return {};
    for (const char *name : gate_programs)
        if (auto removed = remove_pin(fmt::format("{}/{}", pins.programs(), name)); !removed) return removed;
    if (load_and_pin(gate_object(), pins, pins.programs()))
        return open_pinned(pins, gate_netfilter_program, word_map_id, programs);
    if (auto loaded = load_and_pin(gate_cgroup_object(), pins, pins.programs()); !loaded) return loaded;
    return open_pinned(pins, gate_cgroup_program, word_map_id, programs);
}

Result<Fd> load_uplink_again(const Pins &pins) {
    auto object = load_object(embedded_objects()[0], pins.maps());
    if (!object) return object.error();
    bpf_program *program = bpf_object__find_program_by_name(object->get(), uplink_program);
    Fd fd{program ? ::fcntl(bpf_program__fd(program), F_DUPFD_CLOEXEC, 0) : -1};
    if (!fd) return system_error("cannot load the uplink's program once more", errno);
    return fd;
}

const std::string &scope_programs_name() {
    static const auto name = fmt::format("{}{:016x}", scope_programs_prefix,
                                         digest_of(frames_object(), digest_of(scope_object())));
    return name;
}

bool programs_are_current(const Pins &pins) {
    auto map = RawMap::open(build_pin(pins.programs()), build_shape);
    const __u32 zero = 0;
    std::uint64_t digest = 0;
    return map && map->lookup(&zero, &digest) && digest == embedded_digest();
}

bool maps_suit_objects(const Pins &pins) {
    const auto always = embedded_objects();
    for (const auto &embedded :
         {always[0], always[1], tunnel_object(), serve_object(), gate_cgroup_object()}) {
        auto object = open_object(embedded);
        if (!object) return false;
        bpf_map *map = nullptr;
        bpf_object__for_each_map(map, object->get()) {
            const auto opened = open_pin(fmt::format("{}/{}", pins.maps(), bpf_map__name(map)));
            if (bpf_map__is_internal(map) || opened.error == ENOENT) continue;
            bpf_map_info info{};
            __u32 size = sizeof(info);
            if (opened.error != 0 || bpf_obj_get_info_by_fd(opened.fd.get(), &info, &size) != 0) return false;
            if (info.type != static_cast<__u32>(bpf_map__type(map)) ||
                info.key_size != bpf_map__key_size(map) || info.value_size != bpf_map__value_size(map) ||
                info.max_entries != bpf_map__max_entries(map) || info.map_flags != bpf_map__map_flags(map))
                return false;
        }
    }
    return true;
}

Result<void> load_programs(const Pins &pins) {
    if (auto removed = remove_tree(pins.new_programs()); !removed) return removed;
    for (const auto &directory : {pins.maps(), pins.new_programs(), pins.links()})
        if (auto made = make_directory(directory); !made) return made;
    for (const auto &embedded : embedded_objects())
        if (auto loaded = load_and_pin(embedded, pins, pins.new_programs()); !loaded) return loaded;
    if (auto prepared = prepare_maps(pins); !prepared) return prepared;
    if (auto pinned = pin_build(pins); !pinned) return pinned;
    // A crash between these leaves the namespace without progs/, and the next one comes here again.
    if (path_exists(pins.programs())) {
        if (auto removed = remove_tree(pins.old_programs()); !removed) return removed;
        if (auto moved = move_path(pins.programs(), pins.old_programs()); !moved) return moved;
    }
    if (auto moved = move_path(pins.new_programs(), pins.programs()); !moved) return moved;
    return remove_tree(pins.old_programs());
}

} // namespace lk
