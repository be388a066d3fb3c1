// SPDX-License-Identifier: MIT
#include "refuse_world.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <stdexcept>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "harness/message.h"
#include "harness/must.h"
#include "harness/process.h"

namespace lk::harness {

namespace {

Fd make_tun(const Netns &netns, const std::string &name) {
    Fd fd;
    netns.inside([&] {
        fd.reset(open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
        must(bool(fd), "/dev/net/tun");
        ifreq request{};
        strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
        request.ifr_flags = IFF_TUN | IFF_NO_PI;
        must(ioctl(fd.get(), TUNSETIFF, &request) == 0, "TUNSETIFF");
    });
    return fd;
}

void attach(const Netns &netns, const std::string &device, const bpf_program *program) {
    netns.inside([&] {
        DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = netns.ifindex(device),
                            .attach_point = BPF_TC_EGRESS);
        DECLARE_LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = bpf_program__fd(program));
        must(bpf_tc_hook_create(&hook) == 0, "clsact on " + device);
        must(bpf_tc_attach(&hook, &options) == 0, "filter on " + device);
    });
}

bool is_refused(const Bytes &frame) {
    const Bytes v4 = Ip::of("203.0.113.0").bytes().substr(0, 3);
    const Bytes v6 = Ip::of("2001:db8:f::").bytes().substr(0, 6);
    return frame.find(v4, 14) != Bytes::npos || frame.find(v6, 14) != Bytes::npos;
}

} // namespace

RefuseWorld::RefuseWorld() {
    auto pair = [&](const Netns &a, const std::string &in_a, const Netns &b, const std::string &in_b) {
        a.ip(fmt::format("link add {} type veth peer name {} netns {}\nlink set {} up", in_a, in_b, b.name(),
                         in_a));
        b.ip(fmt::format("link set {} up", in_b));
    };
    pair(host, "eth0", isp, "far0");
    pair(host, "eth1", isp, "far1");
    pair(host, "in0", box, "eth0");
    pair(host, "port0", pod, "eth0");
    host.ip("addr add 198.51.100.2/25 dev eth0\naddr add 2001:db8:1:0::2/64 dev eth0 nodad\n"
            "addr add 10.9.0.1/24 dev in0\naddr add 2001:db8:9::1/64 dev in0 nodad\n"
            "route add default via 198.51.100.1\nroute add default via 2001:db8:1::1\n"
            "link add br0 type bridge\nlink set br0 up\nlink set eth1 master br0\nlink set port0 master br0\n"
            "link add mac0 link eth0 type macvlan mode bridge\nlink set mac0 netns lk-mac");
    box.ip("addr add 10.9.0.2/24 dev eth0\naddr add 2001:db8:9::2/64 dev eth0 nodad\n"
           "route add default via 10.9.0.1\nroute add default via 2001:db8:9::1");
    pod.ip("addr add 198.51.100.130/25 dev eth0\naddr add 2001:db8:1:1::2/64 dev eth0 nodad\n"
           "route add default via 198.51.100.129\nroute add default via 2001:db8:1:1::1");
    mac.ip("link set mac0 up\naddr add 198.51.100.3/25 dev mac0\naddr add 2001:db8:1::3/64 dev mac0 nodad\n"
           "route add default via 198.51.100.1\nroute add default via 2001:db8:1::1");
    isp.ip("addr add 198.51.100.1/25 dev far0\naddr add 2001:db8:1::1/64 dev far0 nodad\n"
           "addr add 198.51.100.129/25 dev far1\naddr add 2001:db8:1:1::1/64 dev far1 nodad\n"
           "addr add 203.0.113.7/32 dev lo\naddr add 2001:db8:f::7/128 dev lo nodad\n"
           "route add 10.9.0.0/24 via 198.51.100.2\nroute add 2001:db8:9::/64 via 2001:db8:1::2");
    for (const char *key : {"ipv4/ip_forward", "ipv6/conf/all/forwarding"})
        host.sysctl(key, "1");
    tun_ = make_tun(host, "tun0");
    host.ip("link set tun0 up\naddr add 10.77.0.2/24 dev tun0\naddr add 2001:db8:77::2/64 dev tun0 nodad\n"
            "route add 203.0.113.128/25 dev tun0\nroute add 2001:db8:f:1::/64 dev tun0");

    far_ = socket_in(isp, AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL));
    int buffer = 32 << 20;
    setsockopt(far_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));

    bpf = lk_refuse_all__open_and_load();
    must(bpf != nullptr, "loading refuse_all");
    attach(host, "eth0", bpf->progs.lk_refuse_l2);
    attach(host, "eth1", bpf->progs.lk_refuse_l2);
    attach(host, "tun0", bpf->progs.lk_refuse_l3);
    state()->refusing = 1;
}

RefuseWorld::~RefuseWorld() {
    lk_refuse_all__destroy(bpf);
}

RefuseWorld &RefuseWorld::get() {
    static RefuseWorld world;
    return world;
}

void RefuseWorld::masquerade(bool on) {
    std::string rules = "table inet nat\ndelete table inet nat\n";
    if (on)
        rules += "table inet nat { chain post { type nat hook postrouting priority srcnat;\n"
                 "oifname \"eth0\" masquerade\n}\n}\n";
    Output output = run({"nft", "-f", "-"}, {.netns = host.fd(), .input = rules});
    must(output.status == 0, output.err);
}

unsigned RefuseWorld::leaked() {
    unsigned found = 0;
    static std::vector<char> buffer(1 << 17);
    for (;;) {
        sockaddr_ll from{};
        socklen_t length = sizeof(from);
        ssize_t got = recvfrom(far_.get(), buffer.data(), buffer.size(), 0,
                               reinterpret_cast<sockaddr *>(&from), &length);
        if (got < 0) break;
        if (from.sll_pkttype == PACKET_OUTGOING || from.sll_ifindex == 1) continue;
        if (is_refused(Bytes(buffer.data(), static_cast<std::size_t>(got)))) found++;
    }
    // What the tunnel device's owner can read has left, too.
    for (ssize_t got; (got = read(tun_.get(), buffer.data(), buffer.size())) > 0;)
        if (is_refused(Bytes(14, '\0') + Bytes(buffer.data(), static_cast<std::size_t>(got)))) found++;
    return found;
}

RefuseWorld::Limit RefuseWorld::limit(unsigned kind) const {
    std::vector<lk_limit> values(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    must(bpf_map_lookup_elem(bpf_map__fd(bpf->maps.lk_limits), &kind, values.data()) == 0, "lk_limits");
    Limit sum;
    for (const lk_limit &value : values) {
        sum.used += value.used;
        sum.suppressed += value.suppressed;
    }
    return sum;
}

Sniffer::Sniffer(const Netns &netns, const std::string &device) {
    socket_ = socket_in(netns, AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
    int one = 1;
    setsockopt(socket_.get(), SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one));
    sockaddr_ll where{};
    where.sll_family = AF_PACKET;
    where.sll_protocol = htons(ETH_P_ALL);
    where.sll_ifindex = netns.ifindex(device);
    must(bind(socket_.get(), reinterpret_cast<sockaddr *>(&where), sizeof(where)) == 0, "bind to " + device);
}

// Comes whenever the kernel likes.
static bool is_neighbour_discovery(const Parsed &packet) {
    const int type = packet.payload.empty() ? 0 : static_cast<std::uint8_t>(packet.payload[0]);
    return packet.protocol == IPPROTO_ICMPV6 && type >= 133 && type <= 137;
}

Sniffer::Frame Sniffer::next(std::uint8_t protocol, int timeout_ms) {
    static std::vector<char> buffer(1 << 17);
    auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    for (;;) {
        auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        pollfd waiting{socket_.get(), POLLIN, 0};
        if (left.count() < 0 || poll(&waiting, 1, static_cast<int>(left.count())) <= 0) return {};
        Message message(buffer.data(), buffer.size());
        ssize_t got = recvmsg(socket_.get(), message.get(), 0);
        sockaddr_ll from{};
        memcpy(&from, message.peer.get(), sizeof(from));
        if (got < 0 || from.sll_pkttype == PACKET_OUTGOING) continue;
        Frame frame;
        frame.bytes.assign(buffer.data(), static_cast<std::size_t>(got));
        if (const auto aux = message.control<tpacket_auxdata>(SOL_PACKET, PACKET_AUXDATA)) {
            frame.unfinished = aux->tp_status & TP_STATUS_CSUMNOTREADY;
            if (aux->tp_status & TP_STATUS_VLAN_VALID) frame.vlan = aux->tp_vlan_tci & 0xfffu;
        }
        Bytes ip = from.sll_hatype == 1 ? frame.bytes.substr(14) : frame.bytes;
        if (ip.size() < 20) continue;
        const Parsed parsed = parse(ip);
        if (parsed.protocol == protocol && !is_neighbour_discovery(parsed)) return frame;
    }
}

Parsed parse(const Bytes &ip_packet) {
    Parsed p;
    auto byte = [&](std::size_t at) { return static_cast<std::uint8_t>(ip_packet.at(at)); };
    std::size_t header = 40, length = 0;
    p.family = byte(0) >> 4;
    p.src.family = p.dst.family = p.family;
    std::size_t at = p.family == 4 ? 12 : 8, width = p.family == 4 ? 4 : 16;
    if (p.family == 4) {
        header = (byte(0) & 15u) * 4u;
        length = byte(2) * 256u + byte(3);
        p.protocol = byte(9);
        p.ip_sum_right = checksum(ip_packet.substr(0, header)) == 0;
    } else if (p.family == 6 && ip_packet.size() >= 40) {
        length = 40u + byte(4) * 256u + byte(5);
        p.protocol = byte(6);
        p.ip_sum_right = true;
    } else {
        return p;
    }
    memcpy(p.src.byte.data(), ip_packet.data() + at, width);
    memcpy(p.dst.byte.data(), ip_packet.data() + at + width, width);
    if (length < header || length > ip_packet.size()) return p;
    p.payload = ip_packet.substr(header, length - header);
    Bytes pseudo =
        p.src.bytes() + p.dst.bytes() + be32(static_cast<std::uint32_t>(p.payload.size())) + be32(p.protocol);
    p.sum_right = checksum((p.protocol == IPPROTO_ICMP ? Bytes() : pseudo) + p.payload) == 0;
    return p;
}

Fd socket_in(const Netns &netns, int family, int type, int protocol) {
    Fd fd;
    netns.inside([&] { fd.reset(socket(family, type | SOCK_CLOEXEC, protocol)); });
    must(bool(fd), "socket");
    return fd;
}

Connected connect_with(const Fd &socket, const Ip &ip, std::uint16_t port) {
    SockAddr to(ip, port);
    fcntl(socket.get(), F_SETFL, fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
    auto start = std::chrono::steady_clock::now();
    Connected result;
    if (connect(socket.get(), to.get(), to.length) != 0) {
        result.error = errno;
        if (errno == EINPROGRESS) {
            pollfd waiting{socket.get(), POLLOUT, 0};
            socklen_t length = sizeof(result.error);
            if (poll(&waiting, 1, 1000) <= 0)
                result.error = ETIMEDOUT;
            else
                getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &result.error, &length);
        }
    }
    result.ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    return result;
}

Connected connect_from(const Netns &netns, const std::string &address, std::uint16_t port) {
    Ip ip = Ip::of(address.c_str());
    return connect_with(socket_in(netns, ip.family == 4 ? AF_INET : AF_INET6, SOCK_STREAM), ip, port);
}

int udp_error(const Netns &netns, const std::string &address, const Bytes &payload, int timeout_ms) {
    Ip ip = Ip::of(address.c_str());
    Fd fd = socket_in(netns, ip.family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM);
    SockAddr to(ip, 4433);
    must(connect(fd.get(), to.get(), to.length) == 0, "connect of a UDP socket");
    must(send(fd.get(), payload.data(), payload.size(), 0) == static_cast<ssize_t>(payload.size()), "send");
    pollfd waiting{fd.get(), POLLIN, 0};
    poll(&waiting, 1, timeout_ms);
    char byte;
    return recv(fd.get(), &byte, 1, MSG_DONTWAIT) < 0 && errno != EAGAIN ? errno : 0;
}

} // namespace lk::harness
