// SPDX-License-Identifier: MIT
// Reads nexthop objects and the routes of all tables into a RouteBook, in steps, so that a machine with a
// full internet table can take in other events in between. Private to this room.
#pragma once

#include <chrono>
#include <optional>

#include "net/netlink_socket.h"
#include "net/route_book.h"

namespace lk {

class RouteReader {
  public:
    static Result<RouteReader> open();

    int fd() const { return socket_.fd(); }
    bool reading() const { return stage_ != Stage::idle; }
    Result<void> start(); // only when not reading
    // Reads on for about TIME. The book once it is whole; it is inconsistent if the kernel said so.
    struct Book {
        RouteBook book;
        bool consistent = true;
    };
    Result<std::optional<Book>> step(std::chrono::microseconds time);
    // Events that come while reading belong into the book that is being read too.
    void add(const RouteMessage &route);
    // How long the steps of the last reading took in all.
    std::chrono::microseconds cost() const { return cost_; }

  private:
    enum class Stage { idle, nexthops, routes };
    explicit RouteReader(NetlinkSocket socket) : socket_(std::move(socket)) {}
    void take(const nlmsghdr &message);
    Result<void> next_stage();

    NetlinkSocket socket_;
    Stage stage_ = Stage::idle;
    bool stage_done_ = false;
    int error_ = 0; // of the kernel's answer, as errno
    Book book_;
    RouteMessage route_;
    std::set<int> changed_; // of no interest here
    std::chrono::microseconds cost_{0};
};

} // namespace lk
