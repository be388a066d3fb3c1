// SPDX-License-Identifier: MIT
// What the sending process of a subject does in a slice.
#pragma once

#include <map>

#include "base/fd.h"
#include "bench/speed_world.h"

namespace lk::bench {

// Of the address that TASK sends to: by it the far side counts datagrams.
unsigned last_byte(Task task);

class SpeedSender {
  public:
    // In the host's namespace and the subject's control group; becomes its user. LISTENER: at the far side;
    // who connects to it is accepted here. READER: a socket to the process that reads what is sent in bulk.
    SpeedSender(const Subject &subject, Fd listener, int reader);
    Slice run(Task task, const Limits &limits);

  private:
    const Subject &subject_;
    Fd listener_;
    int reader_;
    std::map<Task, Fd> sockets_;
    Fd open_socket(int type) const;
    int socket_of(Task task);
    Slice datagrams(Task task, const Limits &limits);
    Slice connects(Task task, const Limits &limits);
    Slice bulk(const Limits &limits);
};

} // namespace lk::bench
