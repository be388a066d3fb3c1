// SPDX-License-Identifier: MIT
#include "kernel/side.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "kernel/rtnl.h"
#include "kernel/sys.h"
#include "kernel/tcx.h"

namespace lk {

namespace {

Result<void> drop(const std::string &path) {
    // Detached by hand as well: another process may hold the link open.
    if (const auto opened = open_pin(path); opened.error == 0) bpf_link_detach(opened.fd.get());
    return remove_pin(path);
}

Result<void> pin(int fd, const std::string &path) {
    if (bpf_obj_pin(fd, path.c_str()) != 0) return system_error("cannot pin " + path, errno);
    return {};
}

} // namespace

bool is_on(const Side &side, int ifindex, const Program &program) {
    const auto opened = open_pin(side.pin);
    if (opened.error != 0) return false;
    if (const auto info = tcx_link_info(opened.fd.get()))
        return info->target == static_cast<std::uint64_t>(ifindex) && info->program_id == program.id;
    const auto rtnl = Rtnl::open();
    if (!rtnl) return false;
    const auto filters = rtnl->filters(ifindex, clsact_parent(side.direction));
    return filters && std::ranges::find(*filters, program.id, &TcObject::bpf_id) != filters->end();
}

Result<void> attach_side(const Pins &pins, int ifindex, const Side &side, const Program &program) {
    if (is_on(side, ifindex, program)) return {};
    if (const auto opened = open_pin(side.pin);
        opened.error == 0) { // of an older build: one follows the other
        const auto info = tcx_link_info(opened.fd.get());
        if (info && info->target == static_cast<std::uint64_t>(ifindex) &&
            bpf_link_update(opened.fd.get(), program.fd.get(), nullptr) == 0)
            return {};
    }
    if (auto dropped = drop(side.pin); !dropped) return dropped;
    const int created = tcx::create_link(program.fd.get(), ifindex,
                                         side.direction == Direction::ingress ? tcx::ingress : tcx::egress);
    if (created >= 0) return pin(Fd{created}.get(), side.pin);
    if (created != -EINVAL)
        return system_error(fmt::format("cannot attach {} to the device {} by tcx", side.program, ifindex),
                            -created);
    if (auto pinned = pin(program.fd.get(), side.pin); !pinned) return pinned;
    return attach_clsact(
        ifindex, program.fd.get(), [&] { return make_directory(pins.clsact_qdisc(ifindex)); }, side.direction,
        side.program);
}

Result<void> detach_side(int ifindex, const Side &side) {
    if (!tcx::available())
        if (auto detached = detach_clsact(
                ifindex, [&side](const TcObject &filter) { return is_named(filter, side.program); },
                side.direction);
            !detached)
            return detached;
    return drop(side.pin);
}

Result<void> drop_own_qdisc(const Pins &pins, int ifindex) {
    if (!path_exists(pins.clsact_qdisc(ifindex)) || path_exists(pins.clsact(ifindex))) return {};
    if (auto removed = remove_empty_clsact(ifindex); !removed) return removed;
    return remove_tree(pins.clsact_qdisc(ifindex));
}

} // namespace lk
