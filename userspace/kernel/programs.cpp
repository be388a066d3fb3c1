// SPDX-License-Identifier: MIT
#include "kernel/programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>

#include "kernel/kernel_maps.h"
#include "kernel/objects.h"
#include "kernel/sys.h"

namespace lk {

namespace {

struct CloseObject {
    void operator()(bpf_object *object) const { bpf_object__close(object); }
};
using Object = std::unique_ptr<bpf_object, CloseObject>;

// The last of what libbpf said: it knows why the verifier refused. Never printed here.
std::string libbpf_said;

int keep_saying(libbpf_print_level level, const char *format, va_list arguments) {
    if (level != LIBBPF_WARN) return 0;
    std::array<char, 4096> line{};
    std::vsnprintf(line.data(), line.size(), format, arguments);
    libbpf_said += line.data();
    if (libbpf_said.size() > 1500) libbpf_said.erase(0, libbpf_said.size() - 1500);
    return 0;
}

constexpr MapShape build_shape{"lk_build", BPF_MAP_TYPE_ARRAY, 4, 8, 1};
std::string build_pin(const std::string &directory) {
    return directory + "/build";
}

Result<Object> open_object(const EmbeddedObject &embedded) {
    LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = embedded.name);
    Object object{bpf_object__open_mem(embedded.bytes.data(), embedded.bytes.size(), &options)};
    if (!object)
        return system_error(fmt::format("cannot read the BPF object {} in this executable", embedded.name),
                            errno);
    return object;
}

Result<void> load_object(const EmbeddedObject &embedded, const Pins &pins) {
    auto object = open_object(embedded);
    if (!object) return object.error();
    bpf_map *map = nullptr;
    bpf_object__for_each_map(map, object->get()) {
        if (bpf_map__is_internal(map)) continue;
        const auto path = fmt::format("{}/{}", pins.maps(), bpf_map__name(map));
        // With a path libbpf takes the pinned map where there is one, and pins a new one otherwise.
        if (bpf_map__set_pin_path(map, path.c_str()) != 0)
            return system_error(fmt::format("cannot set the pin {}", path), errno);
    }
    libbpf_said.clear();
    if (bpf_object__load(object->get()) != 0) {
        const int number = errno;
        auto error =
            system_error(fmt::format("the kernel does not take the BPF object {}", embedded.name), number);
        if (!libbpf_said.empty()) error.message += fmt::format(" (libbpf: {})", libbpf_said);
        if (error.exit == Exit::failure && (number == EINVAL || number == ENOTSUP || number == ENOSYS))
            error.exit = Exit::unsupported;
        return error;
    }
    bpf_program *program = nullptr;
    bpf_object__for_each_program(program, object->get()) {
        const auto path = fmt::format("{}/{}", pins.new_programs(), bpf_program__name(program));
        if (bpf_obj_pin(bpf_program__fd(program), path.c_str()) != 0)
            return system_error(fmt::format("cannot pin {}", path), errno);
    }
    return {};
}

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

} // namespace

Result<Programs> open_programs(const Pins &pins, std::uint32_t word_map_id) {
    libbpf_set_print(keep_saying);
    Programs programs;
    for (const auto &embedded : embedded_objects()) {
        auto object = open_object(embedded);
        if (!object) return object.error();
        bpf_program *program = nullptr;
        bpf_object__for_each_program(program, object->get()) {
            const std::string name = bpf_program__name(program);
            const auto path = fmt::format("{}/{}", pins.programs(), name);
            auto opened = open_pin(path);
            if (opened.error != 0) return system_error("cannot open " + path, opened.error);
            const auto object_info = identify(opened.fd.get());
            if (!object_info || object_info->kind != BpfKind::program || object_info->name != name)
                return failure(path + " is not our program");
            const auto info = program_info(opened.fd.get());
            if (name == uplink_program &&
                std::find(info->map_ids.begin(), info->map_ids.end(), word_map_id) == info->map_ids.end())
                return failure(path + " works with other maps than those pinned beside it");
            programs.emplace(name, Program{std::move(opened.fd), info->id});
        }
    }
    return programs;
}

bool programs_are_current(const Pins &pins) {
    auto map = RawMap::open(build_pin(pins.programs()), build_shape);
    const __u32 zero = 0;
    std::uint64_t digest = 0;
    return map && map->lookup(&zero, &digest) && digest == embedded_digest();
}

bool maps_suit_objects(const Pins &pins) {
    for (const auto &embedded : embedded_objects()) {
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
    libbpf_set_print(keep_saying);
    if (auto removed = remove_tree(pins.new_programs()); !removed) return removed;
    for (const auto &directory : {pins.maps(), pins.new_programs(), pins.links()})
        if (auto made = make_directory(directory); !made) return made;
    for (const auto &embedded : embedded_objects())
        if (auto loaded = load_object(embedded, pins); !loaded) return loaded;
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
