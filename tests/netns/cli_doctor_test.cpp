// SPDX-License-Identifier: MIT
// doctor on the real kernel, and attach --require: it says what holds, changes nothing, and attach gives no
// less than was asked.
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <sys/socket.h>

#include <gmock/gmock.h>

#include "base/exit_status.h"
#include "netns/cli_world.h"

using namespace lk::harness;
using lk::Exit;
using lk::Fd;
using testing::HasSubstr;

namespace {

constexpr int unsupported = static_cast<int>(Exit::unsupported);

class CliDoctor : public testing::Test {
  protected:
    CliDoctor() : world_("doctor") {}
    nlohmann::json doctor() const {
        const Output output = world_.leakbpf({"--json", "doctor"});
        const auto json = nlohmann::json::parse(output.out, nullptr, false);
        EXPECT_TRUE(json.is_object()) << output.out << output.err;
        if (json.is_object()) {
            EXPECT_EQ(output.status == 0, json["required_hold"] == true) << output.status;
        }
        return json;
    }
    static nlohmann::json of(const nlohmann::json &json, const std::string &name) {
        for (const auto &guarantee : json["guarantees"])
            if (guarantee["name"] == name) return guarantee;
        return {};
    }
    static bool holds(const nlohmann::json &json, const std::string &name) {
        return of(json, name)["holds"] == true;
    }
    // A program that passes everything, as somebody's XDP.
    Fd put_xdp(const char *device = "eth0") {
        Fd link;
        world_.host().inside([&] {
            const bpf_insn passes[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 2},
                                       {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
            const Fd program(bpf_prog_load(BPF_PROG_TYPE_XDP, "balancer", "GPL", passes, 2, nullptr));
            LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_SKB_MODE);
            link = Fd(bpf_link_create(program.get(), world_.host().ifindex(device), BPF_XDP, &options));
            EXPECT_TRUE(link) << strerror(errno);
        });
        return link;
    }

    CliWorld world_;
};

// One that could send below TC, in the calling thread's network namespace.
Fd bound_xdp_socket(std::vector<char> &memory, unsigned ifindex) {
    Fd socket(::socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0));
    const std::uintptr_t page =
        (reinterpret_cast<std::uintptr_t>(memory.data()) + 4095) & ~std::uintptr_t{4095};
    xdp_umem_reg region{};
    region.addr = page;
    region.len = 8 * 4096;
    region.chunk_size = 4096;
    const int entries = 8;
    sockaddr_xdp to{};
    to.sxdp_family = AF_XDP;
    to.sxdp_flags = XDP_COPY;
    to.sxdp_ifindex = ifindex;
    const auto set = [&](int option, const void *value, socklen_t size) {
        EXPECT_EQ(setsockopt(socket.get(), SOL_XDP, option, value, size), 0) << option << strerror(errno);
    };
    set(XDP_UMEM_REG, &region, sizeof(region));
    for (const int ring : {XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_TX_RING})
        set(ring, &entries, sizeof(entries));
    EXPECT_EQ(bind(socket.get(), reinterpret_cast<sockaddr *>(&to), sizeof(to)), 0) << strerror(errno);
    return socket;
}

// BPF programs and links of the whole machine come and go; ours are told by their name.
int programs_of_ours() {
    int count = 0;
    for (__u32 id = 0; bpf_prog_get_next_id(id, &id) == 0;) {
        const Fd fd(bpf_prog_get_fd_by_id(id));
        bpf_prog_info info{};
        __u32 size = sizeof(info);
        if (fd && bpf_obj_get_info_by_fd(fd.get(), &info, &size) == 0 &&
            std::string_view(info.name).starts_with("lk_"))
            ++count;
    }
    return count;
}

} // namespace

TEST_F(CliDoctor, SaysWhatHoldsAndLeavesNothing) {
    const auto json = doctor();
    for (const char *name : {"uplink", "first", "no-detour", "identity", "dns", "bypass-guard", "serve"})
        EXPECT_TRUE(holds(json, name)) << of(json, name);
    EXPECT_EQ(json["probes"]["clsact"]["works"], true) << json["probes"];
    EXPECT_EQ(holds(json, "tcx"), json["probes"]["tcx"]["works"] == true);
    EXPECT_EQ(json["attached"], false);
    ASSERT_EQ(json["uplinks"].size(), 1u);
    EXPECT_EQ(json["uplinks"][0]["name"], "eth0");
    EXPECT_EQ(json["uplinks"][0]["guarded"], false);
    EXPECT_TRUE(json["cap_net_raw"].is_array());
    EXPECT_EQ(pins(), none);
    EXPECT_TRUE(world_.leaks());
    EXPECT_THAT(run({"tc", "qdisc", "show"}, {.netns = world_.host().fd()}).out,
                testing::Not(HasSubstr("clsact")));
    const Output text = world_.leakbpf({"doctor", "--require", "uplink,identity"});
    EXPECT_EQ(text.status, 0) << text.out;
    EXPECT_THAT(text.out, HasSubstr("guarantees:"));
}

TEST_F(CliDoctor, NotesLocalPortsThatTheTranslationUses) {
    const auto noted = [&] {
        return doctor()["notes"].dump().find("ip_local_port_range") != std::string::npos;
    };
    EXPECT_FALSE(noted());
    world_.host().sysctl("ipv4/ip_local_port_range", "1024 65535");
    EXPECT_TRUE(noted());
    world_.host().sysctl("ipv4/ip_local_reserved_ports", "80,61000-65095,65200");
    EXPECT_FALSE(noted());
}

TEST_F(CliDoctor, FindsAnXdpProgramOnTheUplink) {
    const Fd link = put_xdp();
    const auto json = doctor();
    EXPECT_FALSE(holds(json, "no-detour"));
    EXPECT_THAT(of(json, "no-detour")["why_not"].get<std::string>(), HasSubstr("balancer"));
    EXPECT_EQ(world_.leakbpf({"doctor", "--require", "no-detour"}).status, unsupported);
    EXPECT_EQ(world_.leakbpf({"doctor", "--require", "uplink"}).status, 0);
}

TEST_F(CliDoctor, FindsAnXdpProgramElsewhere) {
    world_.host().ip("link add cont0 type veth peer name cont1");
    const Fd link = put_xdp("cont0"); // which can redirect to the uplink
    const auto json = doctor();
    EXPECT_FALSE(holds(json, "no-detour"));
    EXPECT_THAT(of(json, "no-detour")["why_not"].get<std::string>(),
                testing::AllOf(HasSubstr("cont0"), HasSubstr("balancer"), HasSubstr("redirect")));
    EXPECT_EQ(world_.attach({"eth0", "--gw", "198.51.100.7", "--require", "no-detour"}).status, unsupported);
    EXPECT_EQ(pins(), none);
}

TEST_F(CliDoctor, FindsAnXdpSocketThatIsBoundAlready) {
    Fd socket;
    std::vector<char> memory(2 * 8 * 4096);
    world_.host().inside([&] { socket = bound_xdp_socket(memory, if_nametoindex("eth0")); });
    const auto json = doctor();
    if (json["notes"].dump().find("does not list AF_XDP") != std::string::npos)
        GTEST_SKIP() << "this kernel does not list them, and doctor says so";
    EXPECT_FALSE(holds(json, "no-detour"));
    EXPECT_EQ(json["uplinks"][0]["xdp_sockets"], 1) << json["uplinks"];
    EXPECT_EQ(world_.attach({"eth0", "--gw", "198.51.100.7", "--require", "no-detour"}).status, unsupported);
    socket.reset();
    EXPECT_TRUE(eventually([&] { return holds(doctor(), "no-detour"); }));
}

TEST_F(CliDoctor, TheSecondGateIsGivenWhereItIsThere) {
    const std::vector<std::string> asked{"eth0", "--gw", "198.51.100.7", "--require", "second-gate"};
    const auto with = [&asked](const char *word) {
        auto words = asked;
        words.emplace_back(word);
        return words;
    };
    const auto before = doctor();
    EXPECT_TRUE(before["probes"]["gate_cgroup"]["works"] == true) << before["probes"];
    EXPECT_EQ(holds(before, "second-gate"), before["probes"]["gate"]["works"] == true);
    for (const char *without : {"--no-follow", "--only"}) {
        const Output refused = world_.attach(with(without));
        EXPECT_EQ(refused.status, unsupported) << without;
        EXPECT_THAT(refused.err, HasSubstr(without));
        EXPECT_EQ(pins(), none);
    }
    const Output attached = world_.attach(asked);
    if (!holds(before, "second-gate")) {
        EXPECT_EQ(attached.status, unsupported);
        EXPECT_THAT(attached.err, HasSubstr("what is forwarded is not"));
        EXPECT_EQ(pins(), none);
        ASSERT_EQ(world_.attach().status, 0);
        EXPECT_EQ(world_.status()["gate"], "cgroup");
        EXPECT_THAT(of(doctor(), "second-gate")["why_not"].get<std::string>(), HasSubstr("forwarded"));
        return;
    }
    ASSERT_EQ(attached.status, 0) << attached.err;
    EXPECT_THAT(attached.out, testing::ContainsRegex("given: [a-z, -]*second-gate"));
    EXPECT_TRUE(holds(doctor(), "second-gate"));
    // One that is there stays and counts, whoever attaches.
    EXPECT_EQ(world_.attach(with("--no-follow")).status, 0);
    ASSERT_EQ(world_.attach({"eth0", "--gw", "198.51.100.7", "--only"}).status, 0);
    EXPECT_FALSE(holds(doctor(), "second-gate"));
}

// What is put where its pin is to be made keeps it from being put on.
TEST_F(CliDoctor, ASecondGateThatCannotBePutOnIsNotGiven) {
    ASSERT_EQ(world_.attach({"eth0", "--no-follow", "--gw", "198.51.100.7"}).status, 0);
    EXPECT_THAT(of(doctor(), "second-gate")["why_not"].get<std::string>(), HasSubstr("leakbpf follow"));
    for (const std::string &pin : pins())
        if (pin.ends_with("/cgroup-sock_create"))
            for (const char *name : {"gate-nf4-new", "gate-cgroup-new"})
                std::filesystem::create_directory(std::filesystem::path(pin).parent_path() / name);
    const Output attached = world_.leakbpf({"--json", "attach", "eth0", "--gw", "198.51.100.7"});
    ASSERT_EQ(attached.status, 0) << attached.err;
    EXPECT_THAT(attached.out, HasSubstr("uplinks that appear later are open"));
    const auto json = nlohmann::json::parse(attached.out);
    EXPECT_FALSE(holds(json, "second-gate")) << json["guarantees"];
    EXPECT_TRUE(holds(json, "uplink"));
}

TEST_F(CliDoctor, DnsIsNotPromisedWithoutAResolver) {
    EXPECT_EQ(doctor()["probes"]["tunnel"]["works"], true);
    const Output refused = world_.attach({"eth0", "--gw", "198.51.100.7", "--require", "dns"});
    EXPECT_EQ(refused.status, unsupported);
    EXPECT_THAT(refused.err, testing::AllOf(HasSubstr("dns (no resolver"), HasSubstr("--dns")));
    EXPECT_EQ(pins(), none);
    const Output attached = world_.attach({"eth0", "--gw", "198.51.100.7"});
    EXPECT_THAT(attached.out, testing::ContainsRegex("not given: [a-z, -]*dns"));
    const Output with =
        world_.attach({"eth0", "--gw", "198.51.100.7", "--dns", "10.42.0.1", "--require", "dns"});
    EXPECT_EQ(with.status, 0) << with.err;
}

TEST_F(CliDoctor, DnsIsNotPromisedBeforeThereIsATunnel) {
    const Output attached =
        world_.attach({"eth0", "--gw", "198.51.100.7", "--dns", "10.42.0.1", "--require", "dns"});
    ASSERT_EQ(attached.status, 0) << attached.err;
    EXPECT_THAT(attached.out, testing::ContainsRegex("not given: [a-z, -]*dns"));
    EXPECT_THAT(of(doctor(), "dns")["why_not"].dump(), HasSubstr("refused until"));
    EXPECT_EQ(world_.leakbpf({"doctor", "--require", "dns"}).status, unsupported);
    world_.host().ip("tuntap add dev tun0 mode tun\nlink set tun0 up\naddr add 10.42.0.2/24 dev tun0");
    EXPECT_TRUE(eventually([&] { return holds(doctor(), "dns"); })) << of(doctor(), "dns");
    EXPECT_EQ(world_.leakbpf({"doctor", "--require", "dns"}).status, 0);
}

TEST_F(CliDoctor, DnsIsNotPromisedByATunnelWithoutHooks) {
    world_.host().ip("tuntap add dev tun0 mode tun\nlink set tun0 up\naddr add 10.42.0.2/24 dev tun0");
    const std::vector<std::string> asked{"eth0", "--no-follow", "--gw", "198.51.100.7", "--dns", "10.42.0.1"};
    ASSERT_EQ(world_.attach(asked).status, 0);
    EXPECT_TRUE(holds(doctor(), "dns")) << of(doctor(), "dns");
    int removed = 0;
    for (const std::string &pin : pins())
        if (pin.find("/tunnelin-") != std::string::npos) removed += std::filesystem::remove(pin);
    ASSERT_EQ(removed, 1);
    const auto json = doctor();
    EXPECT_FALSE(holds(json, "dns"));
    EXPECT_THAT(of(json, "dns")["why_not"].get<std::string>(), HasSubstr("tun0"));
}

TEST_F(CliDoctor, AttachRefusesToGiveLess) {
    const Fd link = put_xdp();
    const Output refused = world_.attach({"eth0", "--gw", "198.51.100.7", "--require", "uplink,no-detour"});
    EXPECT_EQ(refused.status, unsupported);
    EXPECT_THAT(refused.err, testing::AllOf(HasSubstr("no-detour"), HasSubstr("balancer")));
    EXPECT_EQ(pins(), none);
    EXPECT_EQ(processes(), none);
    EXPECT_TRUE(world_.leaks());
    // What is in force stays as it is.
    const Output attached = world_.attach({"eth0", "--gw", "198.51.100.7", "--require", "uplink,identity"});
    ASSERT_EQ(attached.status, 0) << attached.err;
    EXPECT_THAT(attached.out, HasSubstr("given: uplink"));
    EXPECT_THAT(attached.out, testing::ContainsRegex("not given: [a-z, -]*no-detour"));
    const std::string before = world_.snapshot();
    EXPECT_EQ(world_.attach({"eth0", "--gw", "198.51.100.8", "--require", "no-detour"}).status, unsupported);
    EXPECT_EQ(world_.snapshot(), before);
    EXPECT_TRUE(world_.gateway_reached());
}

TEST_F(CliDoctor, ClsactIsNoTcx) {
    const std::vector<std::string> by_clsact{"eth0", "--gw", "198.51.100.7", "--hook", "clsact"};
    auto with_tcx = by_clsact;
    with_tcx.insert(with_tcx.end(), {"--require", "tcx"});
    EXPECT_EQ(world_.attach(with_tcx).status, unsupported);
    EXPECT_EQ(pins(), none);
    ASSERT_EQ(world_.attach(by_clsact).status, 0);
    const auto json = doctor();
    EXPECT_FALSE(holds(json, "tcx"));
    EXPECT_TRUE(holds(json, "uplink")) << of(json, "uplink");
    EXPECT_EQ(json["uplinks"][0]["hook"], "clsact");
}

TEST_F(CliDoctor, AMissingHookIsAMissingGuarantee) {
    ASSERT_EQ(world_.attach({"eth0", "--no-follow", "--gw", "198.51.100.7"}).status, 0);
    EXPECT_TRUE(holds(doctor(), "identity"));
    const int ours = programs_of_ours();
    doctor();
    EXPECT_TRUE(eventually([&] { return programs_of_ours() <= ours; })) << "doctor left programs behind";
    for (const std::string &pin : pins())
        if (pin.ends_with("/cgroup-sock_create")) std::filesystem::remove(pin);
    const auto json = doctor();
    EXPECT_FALSE(holds(json, "identity"));
    EXPECT_TRUE(holds(json, "uplink"));
}

// What is to be guarded is not known then, and the uplink may be open.
TEST_F(CliDoctor, APolicyThatCannotBeReadPromisesNothing) {
    ASSERT_EQ(world_.attach({"eth0", "--no-follow", "--gw", "198.51.100.7", "--dns", "10.42.0.1"}).status, 0);
    EXPECT_EQ(world_.leakbpf({"doctor", "--require", "uplink"}).status, 0);
    int removed = 0;
    for (const std::string &pin : pins())
        if (pin.find("/document-") != std::string::npos || pin.find("/uplink-") != std::string::npos)
            removed += std::filesystem::remove(pin);
    ASSERT_GE(removed, 1);
    run({"tc", "qdisc", "del", "dev", "eth0", "clsact"}, {.netns = world_.host().fd()}); // where it is there
    ASSERT_TRUE(eventually([&] { return world_.leaks(); }));
    const auto json = doctor();
    for (const char *name : {"uplink", "dns", "second-gate", "serve"}) {
        EXPECT_THAT(of(json, name)["why_not"].dump(), HasSubstr("cannot be read")) << name;
        EXPECT_EQ(world_.leakbpf({"doctor", "--require", name}).status, unsupported) << name;
    }
}

TEST_F(CliDoctor, WordsThatAreNoGuarantee) {
    EXPECT_EQ(world_.leakbpf({"doctor", "--require", "nothing"}).status, static_cast<int>(Exit::bad_input));
}
