// SPDX-License-Identifier: MIT
// Traffic control over rtnetlink: what qdiscs and filters are there, and the few requests that this room
// makes. One socket in the calling thread's network namespace.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

struct nl_sock;

namespace lk {

// A qdisc, class or filter as the kernel dumps it.
struct TcObject {
    int ifindex = 0;
    std::uint32_t handle = 0;
    std::uint32_t parent = 0;
    std::uint32_t info = 0; // of a filter: priority << 16 | protocol
    std::string kind;
    std::vector<std::uint8_t> options; // TCA_OPTIONS as dumped
    std::string bpf_name;              // of a cls_bpf filter
    std::uint32_t bpf_id = 0;          // program id, 0: not told
    unsigned priority() const { return info >> 16; }
};

class Rtnl {
  public:
    static Result<Rtnl> open();

    Result<std::vector<TcObject>> qdiscs(int ifindex) const;
    Result<std::vector<TcObject>> classes(int ifindex) const;
    // PARENT: a qdisc's handle, or clsact_egress. In the order in which they run. Empty too where PARENT is
    // not there.
    Result<std::vector<TcObject>> filters(int ifindex, std::uint32_t parent) const;
    Result<std::vector<int>> links() const;

    // Requests answer 0 or a NLE_* code of libnl, negative.
    int replace_qdisc(int ifindex, std::uint32_t handle, const std::string &kind,
                      const std::vector<std::uint8_t> &options) const; // at the root
    int delete_root_qdisc(int ifindex) const;

  private:
    struct Close {
        void operator()(nl_sock *socket) const;
    };
    explicit Rtnl(nl_sock *socket) : socket_(socket) {}
    Result<std::vector<TcObject>> dump(int type, int ifindex, std::uint32_t parent) const;
    std::unique_ptr<nl_sock, Close> socket_;
};

extern const std::uint32_t clsact_egress;
extern const std::uint32_t clsact_ingress;
std::string rtnl_text(int nle); // of a NLE_* code

} // namespace lk
