// SPDX-License-Identifier: MIT
#include "net/device_facts.h"

#include <fmt/format.h>
#include <linux/ethtool.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <linux/xdp_diag.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include "base/fd.h"
#include "net/netlink_socket.h"

namespace lk {

namespace {

namespace fs = std::filesystem;

std::string first_line(const fs::path &path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

class Ethtool {
  public:
    explicit Ethtool(const std::string &name) : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        std::memcpy(request_.ifr_name, name.data(), std::min(name.size(), sizeof(request_.ifr_name) - 1));
    }
    bool ask(void *command) {
        request_.ifr_data = static_cast<char *>(command);
        return socket_ && ::ioctl(socket_.get(), SIOCETHTOOL, &request_) == 0;
    }

  private:
    Fd socket_;
    ifreq request_{};
};

// Names of all features, in the order of their bits.
std::vector<std::string> feature_names(Ethtool &ethtool) {
    alignas(ethtool_sset_info) char space[sizeof(ethtool_sset_info) + sizeof(__u32)]{};
    auto *info = reinterpret_cast<ethtool_sset_info *>(space);
    info->cmd = ETHTOOL_GSSET_INFO;
    info->sset_mask = 1ull << ETH_SS_FEATURES;
    if (!ethtool.ask(info) || info->sset_mask == 0) return {};
    __u32 count = 0;
    std::memcpy(&count, info->data, sizeof(count));
    std::vector<std::uint64_t> memory((sizeof(ethtool_gstrings) + count * ETH_GSTRING_LEN) / 8 + 1);
    auto *strings = reinterpret_cast<ethtool_gstrings *>(memory.data());
    strings->cmd = ETHTOOL_GSTRINGS;
    strings->string_set = ETH_SS_FEATURES;
    strings->len = count;
    if (!ethtool.ask(strings)) return {};
    std::vector<std::string> names;
    for (__u32 i = 0; i < count; ++i) {
        const char *name = reinterpret_cast<const char *>(strings->data) + i * ETH_GSTRING_LEN;
        names.emplace_back(name, ::strnlen(name, ETH_GSTRING_LEN));
    }
    return names;
}

bool feature_is_on(const std::string &device, const char *feature) {
    Ethtool ethtool(device);
    const auto names = feature_names(ethtool);
    const auto found = std::find(names.begin(), names.end(), feature);
    if (found == names.end()) return false;
    const auto bit = static_cast<std::size_t>(found - names.begin());
    const std::size_t blocks = (names.size() + 31) / 32;
    std::vector<std::uint64_t> memory(
        (sizeof(ethtool_gfeatures) + blocks * sizeof(ethtool_get_features_block)) / 8 + 1);
    auto *features = reinterpret_cast<ethtool_gfeatures *>(memory.data());
    features->cmd = ETHTOOL_GFEATURES;
    features->size = static_cast<__u32>(blocks);
    return ethtool.ask(features) && (features->features[bit / 32].active >> (bit % 32) & 1) != 0;
}

} // namespace

DeviceFacts device_facts(const std::string &name, int ifindex) {
    // A sysfs shows the network namespace that it was mounted in.
    const fs::path sysfs = fs::path("/sys/class/net") / name;
    const bool same = first_line(sysfs / "ifindex") == std::to_string(ifindex);
    return {.tc_offload = feature_is_on(name, "hw-tc-offload"),
            .switch_id = same ? first_line(sysfs / "phys_switch_id") : "",
            .xdp = {},
            .xdp_sockets = 0};
}

std::optional<std::map<int, unsigned>> xdp_sockets() {
    std::map<int, unsigned> bound;
    auto netlink = NetlinkSocket::open(NETLINK_SOCK_DIAG);
    if (!netlink) return {};
    xdp_diag_req request{};
    request.sdiag_family = AF_XDP;
    request.xdiag_show = XDP_SHOW_INFO;
    const auto take = [&bound](const nlmsghdr &message) {
        auto *header = const_cast<nlmsghdr *>(&message);
        if (message.nlmsg_type != SOCK_DIAG_BY_FAMILY || !nlmsg_valid_hdr(header, sizeof(xdp_diag_msg)))
            return;
        const nlattr *info = nlmsg_find_attr(header, sizeof(xdp_diag_msg), XDP_DIAG_INFO);
        if (!info || nla_len(info) < static_cast<int>(sizeof(xdp_diag_info))) return; // not bound
        const int ifindex = static_cast<int>(static_cast<xdp_diag_info *>(nla_data(info))->ifindex);
        if (ifindex != 0) ++bound[ifindex];
    };
    // That a socket came or went while the kernel listed them makes no difference here.
    if (netlink->ask(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &request, sizeof request, take)) return bound;
    const Fd any(::socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0));
    if (!any && errno == EAFNOSUPPORT) return std::map<int, unsigned>{};
    return {};
}

std::vector<std::string> netconsole_targets(const std::string &sys, const std::string &cmdline,
                                            const std::string &consoles) {
    std::vector<std::string> found;
    std::error_code error;
    for (fs::directory_iterator entry(fs::path(sys) / "kernel/config/netconsole", error), end;
         !error && entry != end; entry.increment(error))
        if (first_line(entry->path() / "enabled") == "1")
            found.push_back(fmt::format("{} on {}", entry->path().filename().string(),
                                        first_line(entry->path() / "dev_name")));
    std::sort(found.begin(), found.end());
    // Before Linux 6.8 this one is not listed there.
    const std::string line = ' ' + first_line(cmdline);
    if (found.empty() && line.find(" netconsole=") != std::string::npos)
        found.emplace_back("the target on the kernel's command line");
    // One that was given to the module is listed there since 6.8 too. The console is there before without
    // any target as well, which cannot be told apart.
    std::ifstream active(consoles);
    for (std::string console; found.empty() && std::getline(active, console);)
        if (console.starts_with("netcon"))
            found.emplace_back("a target given to the module; if it was given none: rmmod netconsole");
    return found;
}

} // namespace lk
