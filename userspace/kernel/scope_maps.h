// SPDX-License-Identifier: MIT
// The maps of cgroups' policies, and the texts that they were made from. Private to this room.
#pragma once

#include <string>

#include "kernel/map.h"
#include "kernel/rows.h"
#include "leakbpf/scope.h"

namespace lk {

struct ScopeMaps {
    Map<__u32, lk_scope_word> word;
    Map<__u64, lk_scope_row> rows;
    Map<__u32, lk_scope> scopes;
    Map<lk_set_addr, lk_gw> gw;
    Map<lk_set_net, lk_gw> gw_net;
    Map<lk_set_port, __u32> gw_port;
    Map<lk_set_net, __u32> net;
    Map<lk_scope_page_key, lk_scope_page> pages;

    static Result<ScopeMaps> open(const std::string &directory);

    lk_scope_word state() const;
    Result<void> write_rows(const Rows &all) const;
    Result<void> erase_rows(const Rows &all) const;
    Result<void> write_text(std::uint64_t cgroup_id, const std::string &text) const;
    Result<void> erase_text(std::uint64_t cgroup_id) const;
    std::string text(std::uint64_t cgroup_id) const; // empty: there is none, or not all of it
    // Removes what no row names, after a change that was not finished.
    Result<void> sweep() const;
};

} // namespace lk
