// SPDX-License-Identifier: MIT
// runc and crun with leakbpf oci-hook: the policy is there before the container's first instruction, or there
// is no container; and what of the leak matrix its root gets out.
#include <netinet/in.h>

#include <filesystem>
#include <fstream>

#include "cgroup_oci_world.h"
#include "cgroup_world.h"
#include "leak_case.h"

using namespace lk;
using namespace lk::harness;

namespace {

const std::set<std::string> nothing;
constexpr const char *config_b =
    "gateways = [\"198.51.100.8\"]\nlan = [\"10.9.0.1/32\"]\ndns = [\"10.9.0.1\"]\n";

class Oci : public testing::TestWithParam<const char *> {
  protected:
    const Runtime runtime{GetParam()};
    World world{container_world("oci")};

    struct Ran {
        Output output;
        std::set<std::string> seen;
    };
    Ran container(const std::string &id, const Plan &plan) {
        const auto since = world.capture().position();
        Ran ran;
        ran.output = run(runtime.run_words(world, id, plan), {.netns = beside(world), .timeout = 60s});
        ran.seen = arrived(world, since);
        return ran;
    }
    void begins(const std::string &id, const Plan &plan, const ContainersPolicy &policy) {
        const Ran ran = container(id, plan);
        EXPECT_EQ(ran.output.status, policy.taken) << id << ": " << ran.output.err;
        EXPECT_EQ(ran.seen, policy.seen) << id;
    }
    // Nothing of it is left, and nothing was sent.
    void fails(const std::string &id, const Plan &plan, const std::string &why = "") {
        std::filesystem::remove(Runtime::hook_log());
        const Ran ran = container(id, plan);
        const std::string words = ran.output.err + contents(Runtime::hook_log());
        EXPECT_NE(ran.output.status, 0) << id;
        EXPECT_NE(words.find(why), std::string::npos) << id << ": " << words;
        EXPECT_EQ(ran.seen, nothing) << id;
        EXPECT_NE(runtime.call({"state", id}).status, 0) << id;
        EXPECT_FALSE(std::filesystem::exists(Sandbox::current().cgroup_root() + "/" + id)) << id;
    }
    std::string file(const std::string &text) const {
        const std::string path = Sandbox::current().dir() + "/containers.toml";
        std::ofstream(path) << text;
        return path;
    }
    void TearDown() override { harness::leakbpf(-1, {"detach", "--cgroup", "--gone"}); }
};

} // namespace

TEST_P(Oci, ThePolicyIsThereBeforeTheFirstInstruction) {
    const ContainersPolicy everything{{}, all_destinations(), all_taken};
    begins("free", {}, everything); // without us all of it is seen
    begins("none", {.hook = hook_words()}, everything);
    begins("a", {.annotations = policy_a.annotations, .hook = hook_words()}, policy_a);
    begins("b", {.annotations = policy_b.annotations, .hook = hook_words()}, policy_b);
    begins("old", {.annotations = policy_a.annotations, .hook = hook_words(), .stage = "prestart"}, policy_a);
    begins("a", {.annotations = policy_b.annotations, .hook = hook_words()}, policy_b); // the name again
}

TEST_P(Oci, TheConfigurationDecides) {
    const Words hook = hook_words(
        {"--require-policy", "--config", file(std::string("[[container]]\nid = \"shop-*\"\n") + config_b)});
    begins("shop-1", {.hook = hook}, policy_b);
    begins("shop-2", {.annotations = policy_a.annotations, .hook = hook}, policy_b);
    begins("blog-1", {.annotations = policy_a.annotations, .hook = hook}, policy_a);
    fails("blog-2", {.hook = hook}, "--require-policy");
    file("[[container]]\nannotations = { name = \"web-*\" }\nlockdown = true\n");
    begins("named", {.annotations = {{"name", "web-3"}}, .hook = hook}, {});
    file("[[container]]\nid = \"*\"\ngateway = [\"198.51.100.8\"]\n");
    fails("wrong", {.annotations = policy_a.annotations, .hook = hook}, "gateway");
}

TEST_P(Oci, WithoutItsPolicyNoContainerBegins) {
    fails("word", {.annotations = {{"org.leakbpf.gw", "vpn"}}, .hook = hook_words()}, "org.leakbpf.gw");
    fails("unknown", {.annotations = {{"org.leakbpf.gatway", "198.51.100.7"}}, .hook = hook_words()},
          "org.leakbpf.gatway");
    fails("uplinks", {.annotations = {{"org.leakbpf.serve", "tcp/80"}}, .hook = hook_words()},
          "org.leakbpf.serve");
    fails("empty", {.annotations = {{"org.leakbpf.no-lan", "true"}}, .hook = hook_words()});
    fails("required", {.hook = hook_words({"--require-policy"})}, "--require-policy");
    fails("no-bpffs",
          {.annotations = policy_a.annotations,
           .hook = {"--bpffs", "/nowhere", "--cgroup-root", Sandbox::current().cgroup_root(), "oci-hook"}});
    fails("no-config", {.annotations = policy_a.annotations, .hook = hook_words({"--config", "/nowhere"})},
          "/nowhere");
    // Inside of the container's namespaces the hook cannot tell whose process it is asked about.
    for (bool own_cgroups : {true, false})
        fails(own_cgroups ? "inside" : "inside-too",
              {.annotations = policy_a.annotations,
               .hook = hook_words(),
               .stage = "createContainer",
               .own_cgroups = own_cgroups},
              "createRuntime");
}

TEST_P(Oci, EachHasItsOwn) {
    const auto before = world.capture().position();
    const Box a(runtime, world, "a", {.annotations = policy_a.annotations, .hook = hook_words()});
    EXPECT_TRUE(
        eventually([&] { return arrived(world, before) == policy_a.seen; })); // all it sends by itself
    begins("b", {.annotations = policy_b.annotations, .hook = hook_words()}, policy_b);
    const Housed housed(world.host().fd(), a.cgroup());
    const auto since = world.capture().position();
    EXPECT_EQ(as({.netns = world.host().fd()},
                 [] {
                     const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
                     for (std::size_t index = 0; index + 1 < sent_by_container; ++index) {
                         const SockAddr to(Ip::of(destinations[index].address), destinations[index].port);
                         const bool sent = sendto(socket.get(), "probe", 5, 0, to.get(), to.length) == 5;
                         if (sent != ((policy_a.taken >> index & 1) != 0))
                             throw std::runtime_error(destinations[index].text());
                     }
                 }),
              "");
    EXPECT_EQ(arrived(world, since), policy_a.seen);
}

INSTANTIATE_TEST_SUITE_P(Runtimes, Oci, testing::Values("crun", "runc"),
                         [](const auto &each) { return std::string(each.param); });

// ---- what root of a container fires, with CAP_NET_RAW and CAP_NET_ADMIN

namespace {

// The outer packets of a tunnel that the container makes: what is inside may go, to a gateway.
std::string vxlan_outer(Env &env) {
    env.mark.patterns.clear();
    env.mark.flow(env.dst, env.port);
    const std::string trouble = env.sender([&] {
        const Output made =
            run({"ip", "-batch", "-"},
                {.input = fmt::format("link add vx0 type vxlan id 7 remote {} dstport {} dev eth0\n"
                                      "link set vx0 up\nroute add {}/32 dev vx0\n"
                                      "neigh add {} lladdr 02:00:00:00:77:01 dev vx0 nud permanent\n",
                                      env.dst.str(), env.port, gateway4.str(), gateway4.str())});
        if (made.status != 0) throw std::runtime_error("vxlan: " + made.err);
        const Fd socket(must(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
        send_to(socket.get(), SockAddr(gateway4, env.port), env.token);
    });
    run({"ip", "link", "del", "vx0"}, {.netns = env.seat.netns->fd()});
    return trouble;
}

// A packet that comes in by a device of the container's own, and is forwarded.
std::string forwarded(Env &env, bool by_packet_socket) {
    const Netns &netns = *env.seat.netns;
    const char *key = env.family == 4 ? "ipv4/ip_forward" : "ipv6/conf/all/forwarding";
    netns.sysctl(key, "1");
    const std::string trouble = env.sender([&] {
        const Ip from = env.pick(Ip::of("10.77.0.9"), Ip::of("2001:db8:77::9"));
        const Bytes packet =
            harness::ip(from, env.dst, IPPROTO_UDP, udp(from, env.dst, 4000, env.port, env.payload(64)));
        if (by_packet_socket)
            return inject("lo",
                          {ethernet(Bytes(6, 0), Bytes(6, 0), env.family == 4 ? 0x0800 : 0x86dd, packet)});
        const Fd tun = make_tun(netns, "fw0");
        must(write(tun.get(), packet.data(), packet.size()), "tun");
    });
    netns.sysctl(key, "0");
    return trouble;
}

void add_tunnel_cases(Matrix &matrix) {
    const auto add = [&](const char *name, std::function<std::string(Env &)> run) {
        Vector vector{.group = "devices", .name = name, .run = std::move(run)};
        vector.who = {Who::root};
        vector.tunnel = {false};
        matrix.add(vector);
    };
    add("vxlan_outer", vxlan_outer);
    add("tun_forwarded", [](Env &env) { return forwarded(env, false); });
    add("loopback_forwarded", [](Env &env) { return forwarded(env, true); });
}

const Matrix &container_matrix() {
    static const Matrix matrix = [] {
        Matrix made;
        for (auto add :
             {add_socket_cases, add_kernel_cases, add_frame_cases, add_protocol_cases, add_tunnel_cases})
            add(made);
        return made;
    }();
    return matrix;
}

// One sender of each vector: root, where it has him.
bool is_fired(const Case &which, bool tunnel) {
    const Vector &vector = *which.vector;
    const bool by_root = std::ranges::find(vector.who, Who::root) != vector.who.end();
    return which.tunnel == tunnel && which.who == (by_root ? Who::root : vector.who.front()) &&
           vector.expect == Expect::stays && vector.unsendable.empty() &&
           !(tunnel && vector.group == "frames") &&
           vector.name != "kernel_hop_limit_exceeded"; // needs somebody behind it
}

struct Fired {
    const Case *which;
    Mark mark;
    std::size_t since;
    std::string trouble;
};

std::vector<Fired> fire(World &world, bool tunnel) {
    std::vector<Fired> fired;
    for (const Case &which : container_matrix().cases()) {
        if (!is_fired(which, tunnel)) continue;
        Env env(which, world);
        std::string trouble;
        try {
            trouble = which.vector->run(env);
        } catch (const std::exception &error) {
            trouble = error.what(); // a puppet that was refused
        }
        EXPECT_EQ(trouble.find("cgroup"), std::string::npos) << which.name() << ": " << trouble;
        fired.push_back({&which, env.mark, env.since, trouble});
    }
    world.capture().settle();
    return fired;
}

} // namespace

class OciThreats : public testing::TestWithParam<const char *> {};

// Each of them is seen where no policy is, so that it means something that it is not seen under one.
TEST_P(OciThreats, NothingGetsOut) {
    const Runtime runtime(GetParam());
    std::string gateways;
    for (const std::string &word : gateway_args())
        if (word != "--gw") gateways += (gateways.empty() ? "" : ",") + word;
    std::size_t held = 0;
    for (bool tunnel : {false, true}) {
        World world(container_world(tunnel ? "oci-up" : "oci-dn", tunnel));
        for (const Fired &each : fire(world, tunnel))
            EXPECT_TRUE(world.capture().awaits(each.mark, each.since))
                << each.which->name() << " was not seen without a policy: " << each.trouble;
        if (tunnel) world.tunnel_down();
        const Box box(runtime, world, tunnel ? "up" : "down",
                      {.annotations = {{"org.leakbpf.gw", gateways}}, .hook = hook_words()});
        const Housed housed(world.host().fd(), box.cgroup());
        if (tunnel) world.tunnel_up(); // of the container's own
        const auto fired = fire(world, tunnel);
        for (const Fired &each : fired)
            EXPECT_EQ(world.capture().count(each.mark, each.since), 0u) << each.which->name() << " got out";
        held += fired.size();
        if (tunnel) world.tunnel_down(); // or its cgroup stays
    }
    EXPECT_GT(held, 250u);
    const Output freed = harness::leakbpf(-1, {"detach", "--cgroup", "--gone"});
    EXPECT_EQ(freed.status, 0) << freed.err;
}

INSTANTIATE_TEST_SUITE_P(Runtimes, OciThreats, testing::Values("crun", "runc"),
                         [](const auto &each) { return std::string(each.param); });

int main(int argc, char **argv) {
    return run_container_tests(argc, argv, {"crun", "runc"});
}
