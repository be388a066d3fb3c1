// SPDX-License-Identifier: MIT
#include "control/daemon_sockets.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/text.h"
#include "net/netns.h"

namespace lk {

namespace {

// Real, effective and file system user, with the way back through the saved one. The filter asks for the
// first, the kernel's rules by user for the last.
class AsUser {
  public:
    explicit AsUser(uid_t uid) {
        good_ = ::getresuid(&real_, &effective_, &saved_) == 0 && ::setresuid(uid, uid, 0) == 0;
    }
    AsUser(const AsUser &) = delete;
    AsUser &operator=(const AsUser &) = delete;
    ~AsUser() {
        // Whatever fails here leaves less than there was, never more.
        if (good_ && ::seteuid(0) == 0 && ::setresuid(real_, effective_, saved_) != 0) errno = 0;
    }
    bool good() const { return good_; }

  private:
    uid_t real_ = 0, effective_ = 0, saved_ = 0;
    bool good_ = false;
};

Result<std::uint64_t> enter_cgroup(const std::string &root, const VpnCgroup &cgroup) {
    if (root.empty())
        return unsupported(fmt::format("the VPN cgroup {} cannot be entered: the cgroup2 root was not "
                                       "found; give it with --cgroup-root",
                                       quote(cgroup.path)));
    const Result<CgroupId> found = cgroup_id(root, cgroup.path);
    if (!found) return found.error();
    const auto list = std::filesystem::path(root) / cgroup.path / "cgroup.procs";
    std::ofstream procs(list);
    procs << ::getpid() << std::flush;
    if (!procs)
        return failure(fmt::format("the VPN cgroup {} cannot be entered ({}: {}); name a user instead, with "
                                   "--vpn-user",
                                   quote(cgroup.path), list.string(), std::strerror(errno)));
    return found->id;
}

Result<void> set_mark(const DnsSockets &sockets, std::uint32_t mark) {
    for (const Fd *fd : {&sockets.udp, &sockets.tcp})
        if (::setsockopt(fd->get(), SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) != 0)
            return failure(fmt::format("the mark {:#x} cannot be set: {}", mark, std::strerror(errno)));
    return {};
}

} // namespace

Result<DaemonSockets> make_daemon_sockets(const Site &site, const Policy &policy,
                                          const std::optional<VpnUser> &user, const Resolver &server,
                                          std::size_t count) {
    DaemonSockets made;
    made.asker.uid = ::getuid();
    if (user)
        made.asker.uid = user->uid;
    else if (!policy.vpn_users.empty())
        made.asker.uid = policy.vpn_users.front().uid;
    else if (!policy.vpn_cgroups.empty()) {
        const auto id = enter_cgroup(site.place.cgroup_root, policy.vpn_cgroups.front());
        if (!id) return id.error();
        made.asker.cgroup_id = *id;
    }
    {
        const AsUser disguise(*made.asker.uid);
        if (!disguise.good())
            return failure(fmt::format("cannot act as user {}: {}", *made.asker.uid, std::strerror(errno)));
        for (std::size_t index = 0; index < count; ++index) {
            auto pair = DnsSockets::make(server);
            if (!pair) return pair.error();
            made.pairs.push_back(*std::move(pair));
        }
    }
    if (!policy.vpn_mark) return made;
    made.asker.fwmark = policy.vpn_mark->value;
    for (const DnsSockets &pair : made.pairs)
        if (auto done = set_mark(pair, made.asker.fwmark); !done) return done.error();
    return made;
}

} // namespace lk
