// SPDX-License-Identifier: MIT
// One array that can be mapped into memory: 8 bytes of length, then the text. Its value is a page rather than
// the whole text, because the kernel takes no single value beyond 4 MiB and 100,000 gateways are longer.
#include "kernel/document_store.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "kernel/kernel_maps.h"
#include "kernel/map.h"
#include "kernel/sys.h"

namespace lk {

namespace {

constexpr std::uint32_t page_bytes = 4096;

} // namespace

Result<void> write_document(const Pins &pins, std::uint32_t epoch, std::string_view json) {
    const std::uint64_t length = json.size();
    const auto pages = static_cast<std::uint32_t>((sizeof(length) + length + page_bytes - 1) / page_bytes);
    auto map = RawMap::create({"lk_document", BPF_MAP_TYPE_ARRAY, 4, page_bytes, pages}, BPF_F_MMAPABLE);
    if (!map) return map.error();
    auto memory = Mapped::open(map->fd(), std::size_t{pages} * page_bytes);
    if (!memory) return memory.error();
    std::memcpy(memory->data(), &length, sizeof(length));
    std::memcpy(static_cast<char *>(memory->data()) + sizeof(length), json.data(), json.size());
    const auto path = pins.document(epoch);
    if (auto removed = remove_pin(path); !removed) return removed;
    if (bpf_obj_pin(map->fd(), path.c_str()) != 0) return system_error("cannot pin " + path, errno);
    return {};
}

Result<std::string> read_document(const Pins &pins, std::uint32_t epoch) {
    const auto path = pins.document(epoch);
    auto map = RawMap::open(path, {"lk_document", BPF_MAP_TYPE_ARRAY, 4, page_bytes, 0});
    if (!map) return map.error();
    bpf_map_info info{};
    __u32 size = sizeof(info);
    if (bpf_obj_get_info_by_fd(map->fd(), &info, &size) != 0)
        return system_error("cannot read " + path, errno);
    const std::size_t bytes = std::size_t{info.max_entries} * page_bytes;
    auto memory = Mapped::open(map->fd(), bytes);
    if (!memory) return memory.error();
    std::uint64_t length = 0;
    std::memcpy(&length, memory->data(), sizeof(length));
    if (length > bytes - sizeof(length))
        return failure(fmt::format("{} says {} bytes but holds {}", path, length, bytes));
    return std::string{static_cast<const char *>(memory->data()) + sizeof(length), length};
}

Result<void> remove_other_documents(const Pins &pins, std::uint32_t epoch) {
    const auto keep = fmt::format("document-{}", epoch);
    for (const auto &name : list_directory(pins.dir))
        if (name.starts_with("document-") && name != keep)
            if (auto removed = remove_pin(pins.dir + "/" + name); !removed) return removed;
    return {};
}

} // namespace lk
