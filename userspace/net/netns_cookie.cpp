// SPDX-License-Identifier: MIT
// The cookie of the calling thread's network namespace. Since Linux 5.14 any socket tells it. Before, only
// BPF programs could ask for it: there one at the hook of socket creation, on this process's own cgroup and
// for as long as the question takes, writes down every new socket's cookie with that of its namespace, and we
// look up our own socket.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <linux/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "base/fd.h"
#include "base/text.h"
#include "net/mountinfo.h"
#include "net/netns.h"

namespace lk {

namespace {

constexpr const char *too_old =
    "this kernel does not tell network namespaces apart: Linux 5.14 (SO_NETNS_COOKIE), or "
    "5.7 with cgroup2 and its BPF hooks, is needed";

int bpf(bpf_cmd command, bpf_attr &attributes) {
    return static_cast<int>(::syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

constexpr bpf_insn insn(unsigned code, unsigned dst, unsigned src, int off, int imm) {
    return {static_cast<__u8>(code), static_cast<__u8>(dst & 15), static_cast<__u8>(src & 15),
            static_cast<__s16>(off), imm};
}

// Sockets that others of the cgroup make at the same time push the oldest out; ours is asked for at once.
Fd make_map() {
    bpf_attr attributes{};
    attributes.map_type = BPF_MAP_TYPE_LRU_HASH;
    attributes.key_size = attributes.value_size = sizeof(std::uint64_t);
    attributes.max_entries = 1024;
    return Fd(bpf(BPF_MAP_CREATE, attributes));
}

// map[socket cookie] = namespace cookie
Fd load_program(int map) {
    constexpr unsigned move = BPF_ALU64 | BPF_MOV, add = BPF_ALU64 | BPF_ADD,
                       store = BPF_STX | BPF_MEM | BPF_DW;
    const auto call = [](int helper) { return insn(BPF_JMP | BPF_CALL, 0, 0, 0, helper); };
    const std::array code{
        insn(move | BPF_X, 6, 1, 0, 0),
        call(BPF_FUNC_get_socket_cookie),
        insn(store, 10, 0, -8, 0),
        insn(move | BPF_X, 1, 6, 0, 0),
        call(BPF_FUNC_get_netns_cookie),
        insn(store, 10, 0, -16, 0),
        insn(BPF_LD | BPF_DW, 1, BPF_PSEUDO_MAP_FD, 0, map),
        insn(0, 0, 0, 0, 0),
        insn(move | BPF_X, 2, 10, 0, 0),
        insn(add | BPF_K, 2, 0, 0, -8),
        insn(move | BPF_X, 3, 10, 0, 0),
        insn(add | BPF_K, 3, 0, 0, -16),
        insn(move | BPF_K, 4, 0, 0, BPF_ANY),
        call(BPF_FUNC_map_update_elem),
        insn(move | BPF_K, 0, 0, 0, 1), // go on
        insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
    };
    bpf_attr attributes{};
    attributes.prog_type = BPF_PROG_TYPE_CGROUP_SOCK;
    attributes.expected_attach_type = BPF_CGROUP_INET_SOCK_CREATE;
    attributes.insns = reinterpret_cast<std::uintptr_t>(code.data());
    attributes.insn_cnt = code.size();
    attributes.license = reinterpret_cast<std::uintptr_t>("Dual BSD/GPL");
    std::memcpy(attributes.prog_name, "lk_netns_cookie", 15);
    return Fd(bpf(BPF_PROG_LOAD, attributes));
}

Fd attach(int program, int cgroup) {
    bpf_attr attributes{};
    attributes.link_create.prog_fd = static_cast<__u32>(program);
    attributes.link_create.target_fd = static_cast<__u32>(cgroup);
    attributes.link_create.attach_type = BPF_CGROUP_INET_SOCK_CREATE;
    return Fd(bpf(BPF_LINK_CREATE, attributes));
}

// The root of cgroup2 as it is seen from here, mounted for this descriptor alone.
Fd private_cgroup_root() {
    const Fd context(static_cast<int>(::syscall(SYS_fsopen, "cgroup2", FSOPEN_CLOEXEC)));
    if (!context || ::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
        return Fd();
    const Fd mount(static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, 0)));
    return Fd(::openat(mount.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

// This process's cgroup as a directory, also where none is mounted.
Fd own_cgroup() {
    std::ifstream own("/proc/self/cgroup"), mountinfo("/proc/self/mountinfo");
    std::string path;
    for (std::string line; std::getline(own, line);)
        if (line.starts_with("0::")) path = line.substr(3);
    const std::string mounts{std::istreambuf_iterator<char>(mountinfo), {}};
    for (const Mount &mount : parse_mountinfo(mounts)) {
        const std::string root = mount.root == "/" ? "" : mount.root;
        if (mount.type == "cgroup2" && !path.empty() && path.starts_with(root + "/") &&
            !path.starts_with("/.."))
            return Fd(
                ::open((mount.point + path.substr(root.size())).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    }
    const Fd top = private_cgroup_root();
    if (!top || path.empty() || path.starts_with("/..")) return Fd();
    return Fd(::openat(top.get(), ("." + path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

} // namespace

Result<std::uint64_t> netns_cookie_by_bpf() {
    const Fd cgroup = own_cgroup();
    if (!cgroup)
        return unsupported(
            "this kernel tells network namespaces apart only to BPF programs on a cgroup (Linux 5.14 "
            "needs none), and this process's cgroup2 directory is not mounted here: mount cgroup2");
    // Before 5.11 BPF's memory counts as locked, of which a process may have little.
    const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
    (void)::setrlimit(RLIMIT_MEMLOCK, &unlimited);
    const Fd map = make_map();
    const Fd program = map ? load_program(map.get()) : Fd();
    const Fd link = program ? attach(program.get(), cgroup.get()) : Fd();
    if (!link && errno == EPERM)
        return Error{Exit::permission, "telling network namespaces apart needs root on this kernel"};
    if (!link) return unsupported(fmt::format("{} ({})", too_old, std::strerror(errno)));
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    std::uint64_t key = 0, cookie = 0;
    socklen_t length = sizeof key;
    if (!socket || ::getsockopt(socket.get(), SOL_SOCKET, SO_COOKIE, &key, &length) != 0)
        return failure(fmt::format("no socket: {}", std::strerror(errno)));
    bpf_attr attributes{};
    attributes.map_fd = static_cast<__u32>(map.get());
    attributes.key = reinterpret_cast<std::uintptr_t>(&key);
    attributes.value = reinterpret_cast<std::uintptr_t>(&cookie);
    if (bpf(BPF_MAP_LOOKUP_ELEM, attributes) != 0)
        return failure(
            fmt::format("the network namespace's cookie was not written down: {}", std::strerror(errno)));
    return cookie;
}

Result<std::uint64_t> netns_cookie() {
    const Fd any(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!any) return failure(fmt::format("no socket: {}", std::strerror(errno)));
    std::uint64_t cookie = 0;
    socklen_t length = sizeof cookie;
    if (::getsockopt(any.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length) == 0) return cookie;
    if (errno == ENOPROTOOPT) return netns_cookie_by_bpf();
    return failure(fmt::format("SO_NETNS_COOKIE: {}", std::strerror(errno)));
}

} // namespace lk
