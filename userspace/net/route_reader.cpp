// SPDX-License-Identifier: MIT
#include "net/route_reader.h"

#include <fmt/format.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cstring>

namespace lk {

using Clock = std::chrono::steady_clock;

Result<RouteReader> RouteReader::open() {
    auto socket = NetlinkSocket::open(NETLINK_ROUTE);
    if (!socket) return socket.error();
    return RouteReader(std::move(*socket));
}

Result<void> RouteReader::start() {
    book_ = {};
    cost_ = {};
    error_ = 0;
    stage_done_ = false;
    const nhmsg every{};
    if (auto sent = socket_.send(RTM_GETNEXTHOP, NLM_F_DUMP, &every, sizeof every); !sent) return sent;
    stage_ = Stage::nexthops;
    return {};
}

void RouteReader::add(const RouteMessage &route) {
    if (reading()) book_.book.add(route, changed_);
}

void RouteReader::take(const nlmsghdr &message) {
    if (message.nlmsg_flags & NLM_F_DUMP_INTR) book_.consistent = false;
    switch (message.nlmsg_type) {
    case NLMSG_DONE: stage_done_ = true; break;
    case NLMSG_ERROR:
        // Kernels before 5.3 know no nexthop objects and refuse the request.
        if (stage_ == Stage::routes) error_ = -static_cast<const nlmsgerr *>(NLMSG_DATA(&message))->error;
        stage_done_ = true;
        break;
    case RTM_NEWNEXTHOP:
        if (const auto nexthop = read_nexthop(message)) book_.book.nexthops.put(*nexthop);
        break;
    case RTM_NEWROUTE:
        if (read_route(message, route_)) book_.book.add(route_, changed_);
        break;
    default: break;
    }
}

Result<void> RouteReader::next_stage() {
    stage_done_ = false;
    if (stage_ == Stage::routes) {
        stage_ = Stage::idle;
        if (error_) return failure(fmt::format("netlink: routes cannot be read: {}", std::strerror(error_)));
        return {};
    }
    stage_ = Stage::routes;
    const rtmsg every{};
    return socket_.send(RTM_GETROUTE, NLM_F_DUMP, &every, sizeof every);
}

Result<std::optional<RouteReader::Book>> RouteReader::step(std::chrono::microseconds time) {
    const auto began = Clock::now();
    std::optional<Book> whole;
    while (reading() && Clock::now() - began < time) {
        auto received = socket_.receive([this](const nlmsghdr &message) { take(message); });
        if (!received || *received == NetlinkSocket::Received::lost) {
            stage_ = Stage::idle;
            return received ? failure("netlink: a route was too long to be read") : received.error();
        }
        if (stage_done_) {
            if (auto went_on = next_stage(); !went_on) {
                stage_ = Stage::idle;
                return went_on.error();
            }
            if (!reading()) whole = std::exchange(book_, {});
        } else if (*received == NetlinkSocket::Received::nothing) {
            break;
        }
    }
    changed_.clear();
    cost_ += std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began);
    return whole;
}

} // namespace lk
