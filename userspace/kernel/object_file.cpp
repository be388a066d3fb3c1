// SPDX-License-Identifier: MIT
#include "kernel/object_file.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <string_view>

#include "base/fd.h"
#include "kernel/netfilter.h"
#include "kernel/sys.h"

namespace lk {

namespace {

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

Error refused(const EmbeddedObject &embedded, int number) {
    return system_error(fmt::format("the kernel does not take the BPF object {}", embedded.name), number);
}

// Whether we may load programs of this kind at all. Asked first, since libbpf reads all of the kernel's BTF
// to find what they hook. One that names no hook gets past everybody who may forbid its kind, as the real one
// has to, and no further: the verifier refuses it with another error.
bool is_permitted(const bpf_program &program) {
    const auto type = bpf_program__type(&program);
    if (type != BPF_PROG_TYPE_TRACING && type != BPF_PROG_TYPE_LSM) return true;
    const bpf_insn nothing[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0}, {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
    LIBBPF_OPTS(bpf_prog_load_opts, options,
                .expected_attach_type = bpf_program__expected_attach_type(&program));
    const Fd loaded{bpf_prog_load(type, bpf_program__name(&program), "Dual BSD/GPL", nothing,
                                  std::size(nothing), &options)};
    return loaded || errno != EPERM;
}

} // namespace

void set_program_types(bpf_object &object) {
    bpf_program *program = nullptr;
    bpf_object__for_each_program(program, &object) {
        if (std::string_view{bpf_program__section_name(program)} != "netfilter") continue;
        bpf_program__set_type(program, static_cast<bpf_prog_type>(netfilter::program_type));
        bpf_program__set_expected_attach_type(program, static_cast<bpf_attach_type>(netfilter::attach_type));
    }
}

Result<Object> open_object(const EmbeddedObject &embedded) {
    libbpf_set_print(keep_saying);
    LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = embedded.name);
    Object object{bpf_object__open_mem(embedded.bytes.data(), embedded.bytes.size(), &options)};
    if (!object)
        return system_error(fmt::format("cannot read the BPF object {} in this executable", embedded.name),
                            errno);
    set_program_types(*object);
    return object;
}

Result<Object> load_object(const EmbeddedObject &embedded, const std::string &maps_dir) {
    if (!embedded.exact.empty())
        if (auto exact = load_object({embedded.name, embedded.exact}, maps_dir)) return exact;
    auto object = open_object(embedded);
    if (!object) return object.error();
    bpf_program *program = nullptr;
    bpf_object__for_each_program(program, object->get()) {
        if (!is_permitted(*program)) return refused(embedded, EPERM);
    }
    bpf_map *map = nullptr;
    bpf_object__for_each_map(map, object->get()) {
        if (maps_dir.empty() || bpf_map__is_internal(map)) continue;
        const auto path = fmt::format("{}/{}", maps_dir, bpf_map__name(map));
        // With a path libbpf takes the pinned map where there is one, and pins a new one otherwise.
        if (bpf_map__set_pin_path(map, path.c_str()) != 0)
            return system_error(fmt::format("cannot set the pin {}", path), errno);
    }
    libbpf_said.clear();
    if (bpf_object__load(object->get()) == 0) return object;
    const int number = errno;
    auto error = refused(embedded, number);
    if (!libbpf_said.empty()) error.message += fmt::format(" (libbpf: {})", libbpf_said);
    if (error.exit == Exit::failure && (number == EINVAL || number == ENOTSUP || number == ENOSYS))
        error.exit = Exit::unsupported;
    return error;
}

} // namespace lk
