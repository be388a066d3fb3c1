// SPDX-License-Identifier: MIT
// The second gate: netfilter links where the kernel has them, otherwise a link on the cgroup root.
#include <bpf/bpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "kernel/keeper.h"
#include "kernel/map.h"
#include "kernel/netfilter.h"
#include "kernel/state_impl.h"
#include "kernel/sys.h"

namespace lk {

namespace {

constexpr const char *spared_map_name = "lk_spared";

struct Family {
    const char *name; // of the pin
    int number;
};
constexpr Family families[] = {{"nf4", AF_INET}, {"nf6", AF_INET6}};
constexpr const char *cgroup_name = "cgroup";

bool holds(const std::string &path, const Program &program) {
    const auto opened = open_pin(path);
    const auto info = opened.error == 0 ? link_info(opened.fd.get()) : std::nullopt;
    return info && info->program_id == program.id;
}

// The new link is there before the old one goes.
Result<void> attach_netfilter(const Pins &pins, const Family &family, const Program &program) {
    const auto path = pins.gate_link(family.name);
    if (holds(path, program)) return {};
    const int created = netfilter::create_link(program.fd.get(), family.number);
    if (created < 0)
        return system_error(fmt::format("cannot attach the second gate ({})", family.name), -created);
    const Fd link{created};
    const auto beside = path + "-new";
    if (auto removed = remove_pin(beside); !removed) return removed;
    if (bpf_obj_pin(link.get(), beside.c_str()) != 0) return system_error("cannot pin " + beside, errno);
    return move_path(beside, path);
}

Result<void> attach_cgroup(const Pins &pins, const Program &program, const std::string &root) {
    const Fd cgroup{::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    struct stat st {};
    if (!cgroup || ::fstat(cgroup.get(), &st) != 0)
        return system_error(fmt::format("cannot open the cgroup directory {}", root), errno);
    return attach_cgroup_link(pins.gate_link(cgroup_name), "the second gate", program, cgroup.get(),
                              st.st_ino, BPF_CGROUP_INET_EGRESS);
}

Result<void> drop(const std::string &path) {
    // Detached by hand as well: another process may hold the link open.
    if (const auto opened = open_pin(path); opened.error == 0) bpf_link_detach(opened.fd.get());
    return remove_pin(path);
}

} // namespace

Result<void> State::spare(const std::map<int, lk_spare> &spared) {
    auto map = Map<__u32, __u32>::open(impl_->pins.maps(), spared_map_name, BPF_MAP_TYPE_HASH, LK_SPARED);
    if (!map) return map.error();
    std::map<__u32, __u32> missing(spared.begin(), spared.end());
    std::vector<__u32> gone;
    auto walked = map->for_each([&](const __u32 &ifindex, const __u32 &how) {
        const auto wanted = missing.find(ifindex);
        if (wanted == missing.end())
            gone.push_back(ifindex);
        else if (wanted->second == how)
            missing.erase(wanted);
    });
    if (!walked) return walked;
    if (auto erased = map->erase_all(gone); !erased) return erased;
    std::vector<__u32> keys, values;
    for (const auto &[ifindex, how] : missing) {
        keys.push_back(ifindex);
        values.push_back(how);
    }
    return map->put_all(keys, values);
}

Result<GateKind> State::attach_gate(const std::map<int, lk_spare> &spared) {
    if (auto here = check_namespace(impl_->place.netns_cookie); !here) return here.error();
    if (auto fresh = impl_->refresh(); !fresh) return fresh.error();
    auto loaded = want_gate_program(impl_->pins, impl_->maps.word.raw().id(), impl_->programs);
    if (!loaded) return loaded.error();
    const Keeper keeper{impl_->pins};
    if (auto told = impl_->tell_links_guard(); !told) return told.error(); // before there is a link
    if (auto known = spare(spared); !known) return known.error();
    if (impl_->programs.contains(gate_netfilter_program)) {
        for (const auto &family : families)
            if (auto done = attach_netfilter(impl_->pins, family, impl_->program(gate_netfilter_program));
                !done)
                return done.error();
        if (auto dropped = drop(impl_->pins.gate_link(cgroup_name)); !dropped) return dropped.error();
        return GateKind::netfilter;
    }
    auto done = attach_cgroup(impl_->pins, impl_->program(gate_cgroup_program), impl_->place.cgroup_root);
    if (!done) return done.error();
    for (const auto &family : families) // of a build whose program this kernel took
        if (auto dropped = drop(impl_->pins.gate_link(family.name)); !dropped) return dropped.error();
    return GateKind::cgroup;
}

Result<void> State::detach_gate() {
    const Keeper keeper{impl_->pins};
    for (const char *name : {families[0].name, families[1].name, cgroup_name})
        if (auto dropped = drop(impl_->pins.gate_link(name)); !dropped) return dropped;
    return {};
}

bool State::gate_pinned() const {
    const char *const names[] = {families[0].name, families[1].name, cgroup_name};
    return std::ranges::any_of(names,
                               [&](const char *name) { return path_exists(impl_->pins.gate_link(name)); });
}

GateKind State::gate() const {
    const auto at = [&](const char *name, const char *program) {
        return impl_->programs.contains(program) &&
               holds(impl_->pins.gate_link(name), impl_->program(program));
    };
    if (std::ranges::all_of(families,
                            [&](const Family &each) { return at(each.name, gate_netfilter_program); }))
        return GateKind::netfilter;
    return at(cgroup_name, gate_cgroup_program) ? GateKind::cgroup : GateKind::none;
}

} // namespace lk
