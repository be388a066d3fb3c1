// SPDX-License-Identifier: MIT
// Answers that come when nobody waits for them any more: whoever they are delivered to tells the server that
// was asked, the LAN's router, which may be talked to. That would show the name on a wire where the answer
// never was.
#include <netinet/in.h>
#include <sys/socket.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "dns_world.h"
#include "harness/must.h"

using namespace lk;
using namespace lk::harness;

namespace {

class DnsLate : public DnsTest {
  protected:
    void SetUp() override {
        make({.name = "dnslate", .tunnel = true, .responder = false}, {resolver4.str(), resolver6.str()},
             {"--lan", "2001:db8:9::/64"});
    }

    // Asked by a socket of SEAT that is closed before the answer is sent.
    void expect_nothing_shown(const std::string &who, const Seat &seat, const Ip &router,
                              const Ip &resolver) {
        SCOPED_TRACE(fmt::format("{}, {}", who, router.str()));
        const Bytes query = fmt::format("lk<late-{}-{}>", who, router.family);
        Puppet answers({.netns = world_->isp().fd()}, [&](const std::function<void()> &next) {
            const Fd fd = socket_for({.source = resolver, .has_source = true, .port = dns}, resolver);
            next();
            char data[256];
            SockAddr from;
            from.length = sizeof(from.storage);
            must(recvfrom(fd.get(), data, sizeof(data), 0, from.get(), &from.length) > 0, "no query");
            next();
            const Bytes answer = "resolver:" + query;
            must(sendto(fd.get(), answer.data(), answer.size(), 0, from.get(), from.length) > 0, "sendto");
        });
        const std::size_t since = world_->capture().position();
        EXPECT_EQ(as({.netns = seat.netns->fd(), .uid = user_uid},
                     [&] {
                         const How how{.source = router.family == 4 ? seat.source4 : seat.source6,
                                       .has_source = true};
                         send_query(socket_for(how, router).get(), how, router, query);
                     }),
                  "");
        EXPECT_EQ(answers.step(), "");
        const std::uint64_t before = counted("uplink", "dns");
        EXPECT_EQ(answers.step(), "");
        EXPECT_TRUE(eventually([&] { return counted("uplink", "dns") > before; }));
        world_->capture().settle();
        Mark mark;
        mark.bytes(query);
        EXPECT_EQ(world_->capture().count(mark, since), 0u);
    }
};

TEST_F(DnsLate, ShowNothingOnTheUplink) {
    for (const auto &[router, resolver] : {std::pair(router4, resolver4), std::pair(router6, resolver6)}) {
        expect_nothing_shown("host", world_->host_seat(), router, resolver);
        expect_nothing_shown("masqueraded", world_->container_seat(true), router, resolver);
    }
}

} // namespace
