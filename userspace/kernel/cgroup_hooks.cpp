// SPDX-License-Identifier: MIT
// The socket hooks: links on the cgroup root, pinned.
#include <bpf/bpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>

#include "kernel/keeper.h"
#include "kernel/old_sockets.h"
#include "kernel/state_impl.h"
#include "kernel/sys.h"

namespace lk {

const std::vector<CgroupHookKind> &cgroup_hook_kinds() {
    static const std::vector<CgroupHookKind> kinds{
        {"sock_create", "lk_sock_create", BPF_CGROUP_INET_SOCK_CREATE},
        // Before connect, which they hide:
        {"getpeername4", "lk_getpeername4", BPF_CGROUP_INET4_GETPEERNAME},
        {"getpeername6", "lk_getpeername6", BPF_CGROUP_INET6_GETPEERNAME},
        {"recvmsg4", "lk_recvmsg4", BPF_CGROUP_UDP4_RECVMSG},
        {"recvmsg6", "lk_recvmsg6", BPF_CGROUP_UDP6_RECVMSG},
        {"sendmsg4", "lk_sendmsg4", BPF_CGROUP_UDP4_SENDMSG},
        {"sendmsg6", "lk_sendmsg6", BPF_CGROUP_UDP6_SENDMSG},
        {"connect4", "lk_connect4", BPF_CGROUP_INET4_CONNECT},
        {"connect6", "lk_connect6", BPF_CGROUP_INET6_CONNECT},
        {"setsockopt", "lk_setsockopt", BPF_CGROUP_SETSOCKOPT},
    };
    return kinds;
}

std::optional<PinnedLink> pinned_cgroup_link(const std::string &path) {
    auto opened = open_pin(path);
    if (opened.error != 0) return std::nullopt;
    const auto info = cgroup_link_info(opened.fd.get());
    if (!info) return std::nullopt;
    return PinnedLink{std::move(opened.fd), *info};
}

Result<void> attach_cgroup_link(const std::string &path, const std::string &what, const Program &program,
                                int cgroup_fd, std::uint64_t cgroup_id, bpf_attach_type type) {
    const auto beside = path + "-new"; // what a crash left here is replaced below
    if (auto removed = remove_pin(beside); !removed) return removed;
    if (auto old = pinned_cgroup_link(path); old && old->info.target == cgroup_id) {
        if (old->info.program_id == program.id) return {};
        if (bpf_link_update(old->link.get(), program.fd.get(), nullptr) != 0)
            return system_error(fmt::format("cannot replace the program of {}", what), errno);
        return {};
    }
    const Fd link{bpf_link_create(program.fd.get(), cgroup_fd, type, nullptr)};
    if (!link) {
        auto error = system_error(fmt::format("cannot attach {}", what), errno);
        if (errno == EINVAL) error.exit = Exit::unsupported;
        return error;
    }
    if (bpf_obj_pin(link.get(), beside.c_str()) != 0) return system_error("cannot pin " + beside, errno);
    return move_path(beside, path); // one on another cgroup ends here, after its successor began
}

Result<void> State::attach_cgroup_hooks() {
    if (auto fresh = impl_->refresh(); !fresh) return fresh;
    const Keeper keeper{impl_->pins};
    const auto &root = impl_->place.cgroup_root;
    const Fd cgroup{::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!cgroup) return system_error(fmt::format("cannot open the cgroup directory {}", root), errno);
    struct stat st {};
    if (::fstat(cgroup.get(), &st) != 0) return system_error("cannot read " + root, errno);
    const auto attach = [&](bool before_walk) -> Result<void> {
        for (const auto &kind : cgroup_hook_kinds()) {
            if (before_walk !=
                (kind.type == BPF_CGROUP_INET_SOCK_CREATE || kind.type == BPF_CGROUP_SETSOCKOPT))
                continue;
            auto attached = attach_cgroup_link(
                impl_->pins.cgroup_link(kind.name), fmt::format("the socket hook {}", kind.name),
                impl_->program(kind.program), cgroup.get(), st.st_ino, kind.type);
            if (!attached) return attached;
        }
        return {};
    };
    // With these two new sockets are marked and guarded by the kernel, so none falls between them and the
    // walk.
    if (auto attached = attach(true); !attached) return attached;
    if (auto taken = take_in_old_sockets(impl_->maps.marks, impl_->place.netns_cookie); !taken) return taken;
    return attach(false);
}

Result<std::vector<CgroupHook>> State::cgroup_hooks() const {
    std::vector<CgroupHook> hooks;
    for (const auto &kind : cgroup_hook_kinds()) {
        CgroupHook hook{kind.name, false, ""};
        if (const auto link = pinned_cgroup_link(impl_->pins.cgroup_link(kind.name))) {
            hook.alive = link->info.target != 0 && link->info.program_id == impl_->program(kind.program).id;
            if (link->info.target != 0)
                hook.cgroup = cgroup_path(impl_->place.cgroup_root, link->info.target);
        }
        hooks.push_back(std::move(hook));
    }
    return hooks;
}

} // namespace lk
