// SPDX-License-Identifier: MIT
#include "kernel/frame_hook.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "kernel/object_file.h"
#include "kernel/sys.h"

namespace lk {

namespace {

Error not_replaced(int ifindex) {
    return system_error(fmt::format("cannot replace the program on device {}", ifindex), errno);
}

// The kernel takes a program once in a chain: its double stands in while the old link goes.
Result<void> put_first(const FrameHook &hook, const Pins &pins, int ifindex, const std::string &path,
                       const Fd &old) {
    auto object = load_object(frames_object(), pins.maps());
    if (!object) return object.error();
    const auto *stand_in = bpf_object__find_program_by_name(object->get(), hook.name);
    const int created = stand_in ? tcx::create_link(bpf_program__fd(stand_in), ifindex, hook.chain) : -ENOENT;
    if (created < 0)
        return system_error(fmt::format("cannot attach to the head of device {}", ifindex), -created);
    const Fd link{created};
    const auto beside = path + "-new";
    if (auto pinned = pin_at(link.get(), beside); !pinned) return pinned;
    if (auto moved = move_path(beside, path); !moved) return moved;
    if (bpf_link_detach(old.get()) != 0 || bpf_link_update(link.get(), hook.program.fd.get(), nullptr) != 0)
        return not_replaced(ifindex);
    return {};
}

Result<void> keep_first(const FrameHook &hook, const Pins &pins, int ifindex, const std::string &path,
                        const Fd &old) {
    const auto info = tcx_link_info(old.get());
    if (info->program_id != hook.program.id &&
        bpf_link_update(old.get(), hook.program.fd.get(), nullptr) != 0)
        return not_replaced(ifindex);
    const auto chain = tcx::chain(ifindex, hook.chain);
    if (chain && !chain->empty() && chain->front().program_id != hook.program.id)
        return put_first(hook, pins, ifindex, path, old);
    return {};
}

} // namespace

Fd living_link(const std::string &path, int ifindex, std::uint32_t chain) {
    auto opened = open_pin(path);
    if (opened.error != 0) return Fd{};
    const auto info = tcx_link_info(opened.fd.get());
    if (!info || info->target != static_cast<std::uint64_t>(ifindex)) return Fd{};
    const auto entries = tcx::chain(ifindex, chain);
    const auto is_it = [&](const tcx::Entry &entry) { return entry.link_id == info->id; };
    return entries && std::ranges::any_of(*entries, is_it) ? std::move(opened.fd) : Fd{};
}

Result<void> pin_at(int fd, const std::string &path) {
    if (auto removed = remove_pin(path); !removed) return removed;
    if (bpf_obj_pin(fd, path.c_str()) != 0) return system_error("cannot pin " + path, errno);
    return {};
}

Result<bool> attach_first(const FrameHook &hook, const Pins &pins, int ifindex, const std::string &path) {
    if (const Fd old = living_link(path, ifindex, hook.chain)) {
        if (auto kept = keep_first(hook, pins, ifindex, path, old); !kept) return kept.error();
        return true;
    }
    int created = tcx::create_link(hook.program.fd.get(), ifindex, hook.chain);
    if (created == -EEXIST) // whoever made it was killed before it had a pin
        for (const auto &entry : tcx::chain(ifindex, hook.chain).value_or(std::vector<tcx::Entry>{}))
            if (entry.program_id == hook.program.id && entry.link_id != 0)
                created = bpf_link_get_fd_by_id(entry.link_id);
    if (created == -EINVAL || created == -ENODEV) return false;
    if (created < 0) return system_error(fmt::format("cannot attach to device {} by tcx", ifindex), -created);
    const Fd link{created};
    if (auto pinned = pin_at(link.get(), path); !pinned) return pinned.error();
    return true;
}

Result<void> detach_pinned(const std::string &path) {
    if (const auto opened = open_pin(path); opened.error == 0) bpf_link_detach(opened.fd.get());
    return remove_pin(path);
}

} // namespace lk
