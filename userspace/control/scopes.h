// SPDX-License-Identifier: MIT
// Which scope a device is in, and how attach and detach change the scopes. Pure: values in, values out.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "image/build_scopes.h"
#include "net/topology.h"
#include "policy/policy.h"

namespace lk {

// A document over a topology: image/build_scopes.h says which policy holds where, this says by which name.
class ScopeView {
  public:
    ScopeView(const Document &document, const Topology &topology);

    // Lowest devices of a named one; empty: the device is not there.
    std::set<int> lowest_of(const std::string &name) const;
    // True if a scope's name leads to this lowest device.
    bool named(int ifindex) const { return named_.contains(ifindex); }
    // The scope whose policy holds on a lowest device; none: unguarded.
    std::optional<std::size_t> scope_of(int ifindex) const;
    const ScopePlan &plan() const { return plan_; }

  private:
    const Topology &topology_;
    ScopePlan plan_;
    std::set<int> named_;
};

// Takes NAMES, and every name that leads to a device of LOWEST, out of SCOPE; devices that such a name
// carried beyond LOWEST stay in under their own names. True if something went.
bool release(Scope &scope, const ScopeView &view, const Topology &topology,
             const std::set<std::string> &names, const std::set<int> &lowest);

// The scope that guards every uplink that no other names, without naming one itself; no_scope: there is none.
std::size_t scope_of_all(const Document &document);

// Scopes that name no uplink any more vanish, but for KEEP.
void drop_empty(Document &document, std::size_t keep);

// Executables that may make packet sockets where a scope locks them.
std::vector<std::string> socket_makers(const Document &document);

// The name of a device, or "device N" if it is gone.
std::string device_name(const Topology &topology, int ifindex);
std::vector<std::string> device_names(const Topology &topology, const std::vector<int> &ifindexes);

// "eth0, eth1"; "none" when empty.
std::string listed(const std::vector<std::string> &names);

} // namespace lk
