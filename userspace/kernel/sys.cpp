// SPDX-License-Identifier: MIT
#include "kernel/sys.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "kernel/tcx.h"
#include "net/netns.h"

namespace lk {

Error system_error(const std::string &what, int error) {
    const bool forbidden = error == EPERM || error == EACCES;
    return {forbidden ? Exit::permission : Exit::failure,
            fmt::format("{}: {}", what, std::generic_category().message(error))};
}

Result<void> check_namespace(std::uint64_t cookie) {
    auto here = netns_cookie();
    if (!here) return here.error();
    if (*here == cookie) return {};
    return failure(fmt::format("this is the network namespace with cookie {}, expected {}: enter it first",
                               *here, cookie));
}

const char *to_string(BpfKind kind) {
    switch (kind) {
    case BpfKind::program: return "program";
    case BpfKind::map: return "map";
    case BpfKind::link: return "link";
    }
    return "object";
}

std::string describe(const BpfObject &object) {
    if (object.name.empty()) return fmt::format("{} {}", to_string(object.kind), object.id);
    return fmt::format("{} {} \"{}\"", to_string(object.kind), object.id, object.name);
}

Opened open_pin(const std::string &path) {
    const int fd = bpf_obj_get(path.c_str());
    if (fd < 0) return {Fd{}, errno};
    return {Fd{fd}, 0};
}

std::optional<BpfObject> identify(int fd) {
    // The descriptor's own name is the only thing that tells the three kinds apart.
    std::array<char, 64> target{};
    const auto link = fmt::format("/proc/self/fd/{}", fd);
    if (readlink(link.c_str(), target.data(), target.size() - 1) < 0) return std::nullopt;
    const std::string kind = target.data();
    if (kind.find("bpf-prog") != std::string::npos) {
        if (auto info = program_info(fd)) return BpfObject{BpfKind::program, info->id, info->name};
    } else if (kind.find("bpf-map") != std::string::npos) {
        bpf_map_info info{};
        __u32 size = sizeof(info);
        if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0) return BpfObject{BpfKind::map, info.id, info.name};
    } else if (kind.find("bpf_link") != std::string::npos || kind.find("bpf-link") != std::string::npos) {
        bpf_link_info info{};
        __u32 size = sizeof(info);
        if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0) return BpfObject{BpfKind::link, info.id, ""};
    }
    return std::nullopt;
}

bool exists(const BpfObject &object) {
    int fd = -1;
    switch (object.kind) {
    case BpfKind::program: fd = bpf_prog_get_fd_by_id(object.id); break;
    case BpfKind::map: fd = bpf_map_get_fd_by_id(object.id); break;
    case BpfKind::link: fd = bpf_link_get_fd_by_id(object.id); break;
    }
    if (fd < 0) return errno != ENOENT;
    ::close(fd);
    return true;
}

std::optional<ProgramInfo> program_info(int fd) {
    bpf_prog_info info{};
    std::array<std::uint32_t, 64> map_ids{};
    info.map_ids = reinterpret_cast<std::uintptr_t>(map_ids.data());
    info.nr_map_ids = map_ids.size();
    __u32 size = sizeof(info);
    if (bpf_obj_get_info_by_fd(fd, &info, &size) != 0) return std::nullopt;
    ProgramInfo result{info.id, info.name, {}, info.load_time};
    const auto count = std::min<std::size_t>(info.nr_map_ids, map_ids.size());
    result.map_ids.assign(map_ids.begin(), map_ids.begin() + static_cast<std::ptrdiff_t>(count));
    return result;
}

std::string program_name(std::uint32_t id) {
    const Fd fd{bpf_prog_get_fd_by_id(id)};
    if (!fd) return "";
    auto info = program_info(fd.get());
    return info ? info->name : "";
}

std::optional<LinkInfo> link_info(int fd) {
    bpf_link_info info{};
    __u32 size = sizeof(info);
    if (bpf_obj_get_info_by_fd(fd, &info, &size) != 0) return std::nullopt;
    return LinkInfo{info.id, info.prog_id, 0};
}

std::optional<LinkInfo> tcx_link_info(int fd) {
    tcx::LinkInfo info{};
    __u32 size = sizeof(info);
    if (bpf_obj_get_info_by_fd(fd, &info, &size) != 0 || info.type != tcx::link_type) return std::nullopt;
    return LinkInfo{info.id, info.program_id, info.ifindex};
}

std::optional<LinkInfo> cgroup_link_info(int fd) {
    bpf_link_info info{};
    __u32 size = sizeof(info);
    if (bpf_obj_get_info_by_fd(fd, &info, &size) != 0 || info.type != BPF_LINK_TYPE_CGROUP)
        return std::nullopt;
    return LinkInfo{info.id, info.prog_id, info.cgroup.cgroup_id};
}

} // namespace lk
