// SPDX-License-Identifier: MIT
// A process that sends: forked into a network namespace as somebody, with its outcome told back.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "harness/bytes.h"
#include "harness/process.h"

namespace lk::harness {

constexpr uid_t user_uid = 12345; // an ordinary user
constexpr uid_t vpn_uid = 10105;  // the VPN daemon's

struct Identity {
    int netns = -1;
    uid_t uid = 0;
    bool keep_raw = false; // an ordinary user with CAP_NET_RAW (as ping or dumpcap have it)
};

// Moves the calling process into the cgroup at PATH.
void enter_cgroup(const std::string &path);

// As long as it lives, whoever is started below in the network namespace NETNS (the same descriptor) enters
// the cgroup at PATH first: what a container's processes are in.
class Housed {
  public:
    Housed(int netns, const std::string &path);
    Housed(const Housed &) = delete;
    Housed &operator=(const Housed &) = delete;
    ~Housed();

  private:
    int netns_;
};

// Leaves root for UID in the calling process; with KEEP_RAW, CAP_NET_RAW alone stays.
void become(uid_t uid, bool keep_raw);

// Runs BODY in a child as IDENTITY. Returns an empty text, or what went wrong (an exception's text, a signal,
// the time limit).
std::string as(const Identity &identity, const std::function<void()> &body,
               std::chrono::milliseconds limit = 5s);

// Starts BODY in a child as IDENTITY that lives until the object ends; BODY must say ready() once.
class Helper {
  public:
    Helper(const Identity &identity, const std::function<void(const std::function<void()> &ready)> &body);
    pid_t pid() const { return process_.pid(); }

  private:
    Background process_;
};

// A child that acts step by step: BODY calls next() between its steps, and waits there.
class Puppet {
  public:
    Puppet(const Identity &identity,
           const std::function<void(const std::function<void()> &next)> &body); // runs to the first next()
    // Runs on to the following next(), or the end. Returns an empty text, or what went wrong.
    std::string step();
    pid_t pid() const { return process_.pid(); }

  private:
    Background process_;
    Fd channel_;
    std::string awaits();
};

// Frames out of DEVICE of the calling namespace by a packet socket; with L3 it has no MAC headers.
void inject(const std::string &device, const std::vector<Bytes> &frames, bool l3 = false);

// Passes a descriptor over a Unix socket.
void send_fd(int channel, int fd);
Fd receive_fd(int channel);

} // namespace lk::harness
