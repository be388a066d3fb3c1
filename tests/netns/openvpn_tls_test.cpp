// SPDX-License-Identifier: MIT
// OpenVPN with TLS as people run it: started by root who then becomes nobody, or under a user of its own;
// with the filter on the device below it. Handshake, traffic, new keys, a restart, and a server that changes
// its port.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "harness/sandbox.h"
#include "harness/vpn.h"
#include "harness/world.h"

using namespace lk::harness;

namespace {

constexpr std::uint16_t server_port = 1194, other_port = 1196;
const Bytes token = "lk<inside-openvpn-tls>", direct = "lk<beside-the-tunnel>";
const Ip inner = Ip::of("10.43.0.1"), elsewhere = Ip::of("203.0.113.200");

std::string text_of(const std::string &path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

std::size_t count(const std::string &text, const std::string &what) {
    std::size_t found = 0;
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1))
        ++found;
    return found;
}

void must_run(const std::vector<std::string> &argv) {
    const Output output = run(argv);
    if (output.status != 0)
        throw std::runtime_error(
            fmt::format("{}: status {}: {}", fmt::join(argv, " "), output.status, output.err));
}

// An authority, a server's certificate and a client's, made now.
class Certificates {
  public:
    explicit Certificates(std::string dir) : dir_(std::move(dir)) {
        std::ofstream(file("conf"))
            << "[req]\ndistinguished_name=name\n[name]\n[ca]\nbasicConstraints=critical,CA:TRUE\n"
               "[server]\nextendedKeyUsage=serverAuth\nkeyUsage=digitalSignature\n"
               "[client]\nextendedKeyUsage=clientAuth\nkeyUsage=digitalSignature\n";
        make("ca", {});
        for (const char *name : {"server", "client"})
            make(name, {"-CA", file("ca.crt"), "-CAkey", file("ca.key")});
        chmod(dir_.c_str(), 0755);
    }
    std::vector<std::string> of(const std::string &name) const {
        return {"--ca", file("ca.crt"), "--cert", file(name + ".crt"), "--key", file(name + ".key")};
    }

  private:
    std::string dir_;
    std::string file(const std::string &name) const { return dir_ + "/" + name; }
    void make(const std::string &name, const std::vector<std::string> &signer) const {
        std::vector<std::string> argv = {"openssl",
                                         "req",
                                         "-x509",
                                         "-config",
                                         file("conf"),
                                         "-extensions",
                                         name,
                                         "-newkey",
                                         "ec",
                                         "-pkeyopt",
                                         "ec_paramgen_curve:prime256v1",
                                         "-nodes",
                                         "-days",
                                         "2",
                                         "-subj",
                                         "/CN=" + name,
                                         "-keyout",
                                         file(name + ".key"),
                                         "-out",
                                         file(name + ".crt")};
        argv.insert(argv.end(), signer.begin(), signer.end());
        must_run(argv);
        chmod(file(name + ".key").c_str(), 0644); // the client's user reads it; nobody else is here
    }
};

struct Shape {
    const char *name;
    bool own_user;      // else root, who becomes nobody
    bool cgroup;        // known by its cgroup
    const char *client; // options of its own
    std::vector<std::string> policy;
    bool strict;
};
const std::string gateway_port_text = "198.51.100.7:1194/udp";
const Shape shapes[] = {
    {"root_any_port", false, false, "", {"--gw", "198.51.100.7"}, false},
    {"root_one_port", false, false, "", {"--gw", gateway_port_text}, false},
    {"root_strict_mark",
     false,
     false,
     "--mark 7",
     {"--gw", gateway_port_text, "--strict", "--vpn-mark", "7"},
     true},
    {"root_strict_cgroup", false, true, "", {"--gw", gateway_port_text, "--strict"}, true},
    {"own_user_one_port", true, false, "", {"--gw", gateway_port_text}, false},
    {"own_user_strict",
     true,
     false,
     "",
     {"--gw", gateway_port_text, "--strict", "--vpn-user", "10105"},
     true},
};

class Tunnel {
  public:
    explicit Tunnel(const Shape &shape, std::string program = "openvpn")
        : world({.name = "otls", .container = false, .responder = false}), shape_(shape),
          program_(std::move(program)), dir_(Sandbox::current().dir()), certificates_(dir_),
          cgroup_(dir_ + "/cgroup/vpn") {
        world.isp().ip("addr add 198.51.100.7/32 dev lo");
        if (shape_.cgroup) mkdir(cgroup_.c_str(), 0755);
        if (shape_.own_user) // a device made for it, so that it needs no privilege
            world.host().ip(fmt::format("tuntap add ovpn0 mode tun user {}\nlink set ovpn0 addrgenmode none\n"
                                        "link set ovpn0 up\naddr add 10.43.0.2/24 dev ovpn0",
                                        vpn_uid));
    }

    World world;

    void attach(std::vector<std::string> policy) {
        policy.insert(policy.begin(), {"eth0", "--no-follow"});
        if (shape_.cgroup) policy.insert(policy.end(), {"--vpn-cgroup", "vpn"});
        world.attach(policy);
    }
    void serve(std::uint16_t port) {
        server_ = {};
        start(server_, world.isp(), "server", 0, "",
              fmt::format(
                  "--dev ovpns --dev-type tun --proto udp --local {} --port {} --topology subnet --dh none "
                  "--server 10.43.0.0 255.255.255.0 --keepalive 1 4 --reneg-sec 0",
                  gateway4.str(), port));
    }
    void connect() {
        std::string more = fmt::format(
            "--client --dev ovpn0 --dev-type tun --nobind --remote {0} {1} udp --remote {0} {2} udp "
            "--remote-cert-tls server --persist-tun --persist-key --reneg-sec 4 --connect-retry 1 1 "
            "--connect-timeout 2 --hand-window 30 {3} {4}",
            gateway4.str(), server_port, other_port, shape_.client,
            shape_.own_user ? "--ifconfig-noexec --route-noexec" : "--user nobody --group nogroup");
        start(client_, world.host(), "client", shape_.own_user ? vpn_uid : 0, shape_.cgroup ? cgroup_ : "",
              more);
    }
    void restart() { kill(client_.pid(), SIGUSR1); }
    uid_t client_uid() const {
        struct stat st {};
        return stat(fmt::format("/proc/{}", client_.pid()).c_str(), &st) == 0 ? st.st_uid : 0;
    }

    std::size_t said(const std::string &what) const { return count(text_of(dir_ + "/client.log"), what); }
    bool says(const std::string &what, std::size_t times) {
        return eventually([&] { return said(what) >= times; }, 30s);
    }
    std::string logs() {
        return text_of(dir_ + "/client.log") + text_of(dir_ + "/server.log") + world.leakbpf({"status"}).out;
    }
    bool answers() { return pings(world.host(), inner, token); }
    bool comes_up() {
        return eventually([&] { return answers(); }, 30s);
    }
    std::size_t outer(std::uint16_t port, std::size_t since = 0) {
        Mark flow;
        flow.flow(gateway4, port);
        world.capture().settle();
        return world.capture().count(flow, since);
    }
    bool arrives(const Ip &to, std::uint16_t port) {
        const std::size_t since = world.capture().position();
        send_datagram(world.host(), user_uid, to, port, direct);
        return shows(direct, since);
    }
    bool shows(const Bytes &bytes, std::size_t since = 0) {
        Mark seen;
        seen.bytes(bytes);
        world.capture().settle();
        return world.capture().count(seen, since) > 0;
    }

  private:
    const Shape &shape_;
    std::string program_, dir_;
    Certificates certificates_;
    std::string cgroup_;
    Background server_, client_;

    void start(Background &process, const Netns &netns, const std::string &name, uid_t uid,
               const std::string &cgroup, const std::string &options) const {
        std::vector<std::string> argv = {program_, "--verb", "3"};
        std::istringstream words(options);
        for (std::string word; words >> word;)
            argv.push_back(word);
        for (const std::string &word : certificates_.of(name))
            argv.push_back(word);
        process = Background(argv, {.netns = netns.fd(), .uid = uid, .cgroup = cgroup},
                             fmt::format("{}/{}.log", dir_, name));
    }
};

class OpenVpnTls : public testing::TestWithParam<Shape> {
  protected:
    static void SetUpTestSuite() { open_tun_to_all(); }
    void SetUp() override {
        for (const char *program : {"openvpn", "openssl"})
            if (run({program, "version"}).status == 127) GTEST_SKIP() << program << " is not installed";
    }
};

} // namespace

TEST_P(OpenVpnTls, ConnectsCarriesAndRenews) {
    Tunnel tunnel(GetParam());
    EXPECT_TRUE(tunnel.arrives(elsewhere, 4000)); // without the filter
    EXPECT_TRUE(tunnel.arrives(gateway4, server_port));
    tunnel.attach(GetParam().policy);
    tunnel.serve(server_port);
    tunnel.connect();
    ASSERT_TRUE(tunnel.comes_up()) << tunnel.logs();
    EXPECT_EQ(tunnel.client_uid(), GetParam().own_user ? vpn_uid : 65534u);
    EXPECT_GT(tunnel.outer(server_port), 0u);
    EXPECT_FALSE(tunnel.arrives(elsewhere, 4000));
    EXPECT_EQ(tunnel.arrives(gateway4, server_port), !GetParam().strict);

    EXPECT_TRUE(tunnel.says("TLS: soft reset", 1)) << tunnel.logs(); // new keys
    EXPECT_TRUE(tunnel.comes_up());
    // A new connection, now from a socket that the user whom root has become makes.
    tunnel.restart();
    EXPECT_TRUE(tunnel.says("Initialization Sequence Completed", 2)) << tunnel.logs();
    EXPECT_TRUE(tunnel.comes_up());
    EXPECT_FALSE(tunnel.shows(token)) << "seen in the clear";
}

INSTANTIATE_TEST_SUITE_P(Ways, OpenVpnTls, testing::ValuesIn(shapes),
                         [](const auto &each) { return each.param.name; });

class OpenVpnTlsPort : public OpenVpnTls {};

TEST_P(OpenVpnTlsPort, TheServersPortMoves) {
    Tunnel tunnel(GetParam());
    tunnel.attach(GetParam().policy);
    tunnel.serve(server_port);
    tunnel.connect();
    ASSERT_TRUE(tunnel.comes_up()) << tunnel.logs();
    tunnel.serve(other_port);
    // The client hears nothing more and tries what else it was given.
    const bool any_port = GetParam().policy.back() == "198.51.100.7";
    EXPECT_TRUE(tunnel.says("link remote: [AF_INET]198.51.100.7:1196", any_port ? 1 : 2)) << tunnel.logs();
    if (!any_port) {
        EXPECT_FALSE(tunnel.answers());
        EXPECT_EQ(tunnel.outer(other_port), 0u);
        auto policy = GetParam().policy;
        std::ranges::replace(policy, gateway_port_text, "198.51.100.7:1196/udp");
        tunnel.attach(policy);
    }
    EXPECT_TRUE(tunnel.comes_up()) << tunnel.logs();
    EXPECT_GT(tunnel.outer(other_port), 0u);
    EXPECT_FALSE(tunnel.shows(token)) << "seen in the clear";
}

INSTANTIATE_TEST_SUITE_P(Ways, OpenVpnTlsPort, testing::Values(shapes[0], shapes[1], shapes[3], shapes[5]),
                         [](const auto &each) { return each.param.name; });

// From OpenVPN 2.7 on and Linux 6.16 the kernel carries the data: its packets come from nobody's socket, or
// from the application's.
class OpenVpnKernel : public OpenVpnTls {};

TEST_P(OpenVpnKernel, CarriesTheData) {
    // scripts/vm puts a newer OpenVPN beside the machine's own.
    const char *beside = std::getenv("LK_DIR");
    std::string program = beside ? fmt::format("{}/openvpn-next", beside) : "";
    if (access(program.c_str(), X_OK) != 0) program = "openvpn";
    if (run({program, "--version"}).out.find("OpenVPN 2.6") != std::string::npos)
        GTEST_SKIP() << "OpenVPN before 2.7 knows no data channel of the kernel's own";
    Netns place("lk-ovpn-probe");
    if (run({"ip", "link", "add", "ovpn0", "type", "ovpn"}, {.netns = place.fd()}).status != 0)
        GTEST_SKIP() << "this kernel has no data channel for OpenVPN (6.16)";
    Tunnel tunnel(GetParam(), program);
    tunnel.attach(GetParam().policy);
    tunnel.serve(server_port);
    tunnel.connect();
    ASSERT_TRUE(tunnel.comes_up()) << tunnel.logs();
    EXPECT_GT(tunnel.said("DCO device ovpn0 opened"), 0u) << tunnel.logs();
    EXPECT_GT(tunnel.outer(server_port), 0u);
    EXPECT_FALSE(tunnel.arrives(elsewhere, 4000));
    EXPECT_EQ(tunnel.arrives(gateway4, server_port), !GetParam().strict);
    EXPECT_TRUE(tunnel.says("TLS: soft reset", 1)) << tunnel.logs();
    EXPECT_TRUE(tunnel.comes_up());
    EXPECT_FALSE(tunnel.shows(token)) << "seen in the clear";
}

INSTANTIATE_TEST_SUITE_P(Ways, OpenVpnKernel, testing::Values(shapes[1], shapes[2]),
                         [](const auto &each) { return each.param.name; });
