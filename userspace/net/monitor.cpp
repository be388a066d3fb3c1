// SPDX-License-Identifier: MIT
//
// Device and address events change the topology one by one. Route events do so where they add something;
// where they may take something away, all routes are read again, in steps between other events and for a
// tenth of the time at most. Until then a next hop or a default route is there a little longer than in the
// kernel, which closes nothing that must be open and opens nothing but ARP to a former router.
//
// Device, route and traffic control events come by sockets of their own: a flood of routes or filters cannot
// push out or delay a new uplink.
#include "net/monitor.h"

#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/fd.h"
#include "net/device_table.h"
#include "net/route_reader.h"
#include "net/wireless.h"

namespace lk {

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto after_error = 1s;     // another try
constexpr auto step_time = 2ms;      // of reading routes, in one call of handle()
constexpr int rest_factor = 9;       // times as long as the reading before the next one begins
constexpr int most_datagrams = 1000; // of routes or filters, in one call of handle(): a millisecond
// Of devices. After a loss the kernel adds nothing until all is read, so that reading comes to an end.
constexpr int most_device_datagrams = 100'000;
constexpr int most_first_readings = 20; // of routes, before the kernel's answer is consistent

Error system_error(const char *what) {
    return failure(fmt::format("{}: {}", what, std::strerror(errno)));
}

} // namespace

struct Monitor::Impl {
    NetlinkSocket device_events, route_events, clsact_events, requests;
    RouteReader reader;
    Wireless wireless;
    Fd epoll{}, timer{};

    Topology topology{};
    RouteBook book{};
    std::set<int> rerouted{}; // devices whose entries in the book are not in the topology yet
    RouteMessage route{};     // reused
    bool changed = false;
    bool appeared = false;     // a device did
    bool devices_lost = false; // events of devices were
    bool look_for_wireless = false, ask_wireless = false;
    bool routes_stale = false; // the book may hold what is gone
    Clock::time_point next_reading{};
    ClsactChanges clsact{};

    Result<void> listen(int receive_buffer_bytes);
    Result<void> read_all();
    Result<void> turn();

    Result<void> take_device_events();
    void take_device_event(const nlmsghdr &message);
    Result<void> reread_devices();
    Result<void> take_route_events();
    void take_route_event(const nlmsghdr &message);
    Result<void> take_clsact_events();
    Result<void> update_wireless();
    Result<void> read_routes(std::chrono::microseconds time);
    void adopt(RouteReader::Book read);
    void fill_in_routes();
    Result<void> set_timer(Clock::duration wait);
};

Result<void> Monitor::Impl::listen(int receive_buffer_bytes) {
    for (const int group : {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR})
        if (!device_events.join(group)) return failure("netlink: no events of devices and addresses");
    if (!route_events.join(RTNLGRP_IPV4_ROUTE)) return failure("netlink: no events of routes");
    route_events.join(RTNLGRP_IPV6_ROUTE); // absent where the kernel has no IPv6
    route_events.join(RTNLGRP_NEXTHOP);    // before 5.3 there are no such objects
    clsact_events.join(RTNLGRP_TC);        // absent where the kernel has no traffic control
    clsact_events.set_receive_buffer(receive_buffer_bytes);
    device_events.set_receive_buffer(receive_buffer_bytes);
    route_events.set_receive_buffer(receive_buffer_bytes);

    epoll.reset(epoll_create1(EPOLL_CLOEXEC));
    timer.reset(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    if (!epoll || !timer) return system_error("no epoll or timer descriptor");
    for (const int one : {device_events.fd(), route_events.fd(), clsact_events.fd(), reader.fd(),
                          wireless.fd(), timer.get()}) {
        epoll_event event{.events = EPOLLIN, .data = {.fd = one}};
        if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, one, &event) != 0) return system_error("epoll_ctl");
    }
    return {};
}

Result<void> Monitor::Impl::read_all() {
    if (auto read = reread_devices(); !read) return read;
    for (int i = 0; routes_stale && i < most_first_readings; ++i) {
        next_reading = {};
        do {
            if (auto read = read_routes(step_time); !read) return read;
            pollfd more{.fd = reader.fd(), .events = POLLIN, .revents = 0};
            if (reader.reading()) poll(&more, 1, 100);
        } while (reader.reading());
    }
    if (routes_stale)
        return failure("the routes change too fast to be read; try again when they have settled");
    fill_in_routes();
    return {};
}

Result<void> Monitor::Impl::turn() {
    std::uint64_t rings = 0;
    if (::read(timer.get(), &rings, sizeof rings) < 0 && errno != EAGAIN) return system_error("timer");
    if (auto taken = take_device_events(); !taken) return taken;
    if (auto asked = update_wireless(); !asked) return asked;
    if (auto taken = take_clsact_events(); !taken) return taken;
    if (auto taken = take_route_events(); !taken) return taken;
    if (auto read = read_routes(step_time); !read) return read;
    fill_in_routes();
    return {};
}

Result<void> Monitor::Impl::take_device_events() {
    for (int i = 0; i < most_device_datagrams; ++i) {
        auto received =
            device_events.receive([this](const nlmsghdr &message) { take_device_event(message); });
        if (!received) return received.error();
        if (*received == NetlinkSocket::Received::nothing) break;
        if (*received == NetlinkSocket::Received::lost) devices_lost = true;
    }
    if (std::exchange(appeared, false) && !devices_lost) {
        auto found = find_returned_carriers(requests, topology.devices);
        if (found)
            changed |= *found;
        else
            devices_lost = true; // one is gone again
    }
    return devices_lost ? reread_devices() : Result<void>{};
}

void Monitor::Impl::take_device_event(const nlmsghdr &message) {
    const DeviceEvent event = apply_device_event(topology.devices, message);
    changed |= event.changed;
    routes_stale |= event.routes_may_go;
    if (event.disappeared) book.forget(event.disappeared);
    if (event.appeared) {
        rerouted.insert(event.appeared);
        appeared = true;
    }
    for (const int ifindex : {event.appeared, event.switched}) {
        const Device *device = ifindex ? topology.find(ifindex) : nullptr;
        if (!device || !device->kind.empty() || device->loopback) continue; // Wi-Fi devices have no kind
        look_for_wireless |= !wireless.present();
        ask_wireless = true;
    }
}

Result<void> Monitor::Impl::reread_devices() {
    auto read = read_devices(requests);
    if (!read) return read.error();
    devices_lost = false;
    std::swap(topology.devices, *read);
    for (Device &device : topology.devices) {
        const RouteBook::Entry &routes = book.of(device.ifindex);
        device.next_hops.assign(routes.next_hops.begin(), routes.next_hops.end());
        device.routers.assign(routes.routers.begin(), routes.routers.end());
        device.default_route = routes.default_route;
        device.wide_route = routes.wide_route;
    }
    routes_stale = ask_wireless = true;
    look_for_wireless |= !wireless.present();
    if (auto asked = update_wireless(); !asked) return asked;
    changed |= topology.devices != *read;
    return {};
}

Result<void> Monitor::Impl::update_wireless() {
    if (look_for_wireless) {
        auto came = wireless.look_again();
        if (!came) return came.error();
        look_for_wireless = false;
    }
    auto events = wireless.take_events();
    if (!events) return events.error();
    ask_wireless |= *events;
    if (!ask_wireless) return {};
    auto found = wireless.access_points();
    if (!found) return found.error();
    ask_wireless = false;
    for (Device &device : topology.devices) {
        const bool access_point = found->contains(device.ifindex);
        changed |= device.access_point != access_point;
        device.access_point = access_point;
    }
    return {};
}

Result<void> Monitor::Impl::take_route_events() {
    for (int i = 0; i < most_datagrams; ++i) {
        auto received = route_events.receive([this](const nlmsghdr &message) { take_route_event(message); });
        if (!received) return received.error();
        if (*received == NetlinkSocket::Received::nothing) break;
        if (*received == NetlinkSocket::Received::lost) routes_stale = true;
    }
    return {};
}

void Monitor::Impl::take_route_event(const nlmsghdr &message) {
    switch (message.nlmsg_type) {
    case RTM_NEWNEXTHOP:
        if (const auto nexthop = read_nexthop(message)) book.nexthops.put(*nexthop);
        [[fallthrough]];
    case RTM_DELNEXTHOP: routes_stale = true; break;
    case RTM_NEWROUTE:
        // Of what a replaced route was, nothing is told.
        routes_stale |= (message.nlmsg_flags & NLM_F_REPLACE) != 0;
        if (!read_route(message, route)) break;
        routes_stale |= route.hops.empty();
        book.add(route, rerouted);
        reader.add(route);
        break;
    case RTM_DELROUTE:
        if (read_route(message, route)) routes_stale |= book.concerns(route);
        break;
    default: break;
    }
}

Result<void> Monitor::Impl::take_clsact_events() {
    const auto take = [this](const nlmsghdr &message) {
        if (const int ifindex = changed_clsact(message)) clsact.ifindexes.insert(ifindex);
    };
    for (int i = 0; i < most_datagrams; ++i) {
        auto received = clsact_events.receive(take);
        if (!received) return received.error();
        if (*received == NetlinkSocket::Received::nothing) break;
        if (*received == NetlinkSocket::Received::lost) clsact.lost = true;
    }
    return {};
}

Result<void> Monitor::Impl::read_routes(std::chrono::microseconds time) {
    if (routes_stale && !reader.reading() && Clock::now() >= next_reading) {
        if (auto started = reader.start(); !started) return started;
        routes_stale = false;
    }
    if (reader.reading()) {
        auto whole = reader.step(time);
        if (!whole) {
            routes_stale = true;
            return whole.error();
        }
        if (*whole) adopt(std::move(**whole));
    }
    if (routes_stale && !reader.reading()) return set_timer(next_reading - Clock::now());
    return {};
}

void Monitor::Impl::adopt(RouteReader::Book read) {
    next_reading = Clock::now() + rest_factor * reader.cost();
    if (!read.consistent) {
        routes_stale = true;
        return;
    }
    rerouted.merge(book.differences(read.book));
    book = std::move(read.book);
}

void Monitor::Impl::fill_in_routes() {
    for (const int ifindex : std::exchange(rerouted, {})) {
        const auto device = std::ranges::lower_bound(topology.devices, ifindex, {}, &Device::ifindex);
        if (device == topology.devices.end() || device->ifindex != ifindex) continue;
        const RouteBook::Entry &routes = book.of(ifindex);
        const bool same = device->default_route == routes.default_route &&
                          device->wide_route == routes.wide_route &&
                          std::ranges::equal(device->next_hops, routes.next_hops) &&
                          std::ranges::equal(device->routers, routes.routers);
        if (same) continue;
        device->next_hops.assign(routes.next_hops.begin(), routes.next_hops.end());
        device->routers.assign(routes.routers.begin(), routes.routers.end());
        device->default_route = routes.default_route;
        device->wide_route = routes.wide_route;
        changed = true;
    }
}

Result<void> Monitor::Impl::set_timer(Clock::duration wait) {
    const auto ns = std::max<std::chrono::nanoseconds>(wait, 1ns).count();
    itimerspec when{};
    when.it_value.tv_sec = ns / 1'000'000'000;
    when.it_value.tv_nsec = ns % 1'000'000'000;
    if (timerfd_settime(timer.get(), 0, &when, nullptr) != 0) return system_error("timer");
    return {};
}

Monitor::Monitor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Monitor::Monitor(Monitor &&) noexcept = default;
Monitor &Monitor::operator=(Monitor &&) noexcept = default;
Monitor::~Monitor() = default;

Result<Monitor> Monitor::open(int receive_buffer_bytes) {
    auto device_events = NetlinkSocket::open(NETLINK_ROUTE);
    if (!device_events) return device_events.error();
    auto route_events = NetlinkSocket::open(NETLINK_ROUTE);
    if (!route_events) return route_events.error();
    auto clsact_events = NetlinkSocket::open(NETLINK_ROUTE);
    if (!clsact_events) return clsact_events.error();
    auto requests = NetlinkSocket::open(NETLINK_ROUTE);
    if (!requests) return requests.error();
    auto reader = RouteReader::open();
    if (!reader) return reader.error();
    auto wireless = Wireless::open();
    if (!wireless) return wireless.error();
    auto impl = std::make_unique<Impl>(Impl{.device_events = std::move(*device_events),
                                            .route_events = std::move(*route_events),
                                            .clsact_events = std::move(*clsact_events),
                                            .requests = std::move(*requests),
                                            .reader = std::move(*reader),
                                            .wireless = std::move(*wireless)});
    if (auto listening = impl->listen(receive_buffer_bytes); !listening) return listening.error();
    if (auto read = impl->read_all(); !read) return read.error();
    return Monitor(std::move(impl));
}

const Topology &Monitor::topology() const {
    return impl_->topology;
}

int Monitor::fd() const {
    return impl_->epoll.get();
}

Result<bool> Monitor::handle() {
    impl_->changed = false;
    if (auto turned = impl_->turn(); !turned) {
        if (auto again = impl_->set_timer(after_error); !again) return again.error();
        return turned.error();
    }
    return impl_->changed;
}

Monitor::ClsactChanges Monitor::take_clsact_changes() {
    return std::exchange(impl_->clsact, {});
}

Result<Topology> read_topology() {
    auto monitor = Monitor::open();
    if (!monitor) return monitor.error();
    // What happened between one reading and the next was told by events.
    if (auto settled = monitor->handle(); !settled) return settled.error();
    return monitor->topology();
}

} // namespace lk
