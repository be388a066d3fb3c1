// SPDX-License-Identifier: MIT
#include "kernel/chain.h"

#include <fmt/format.h>

#include <climits>

#include "kernel/clsact.h"
#include "kernel/rtnl.h"
#include "kernel/sys.h"
#include "kernel/tcx.h"

namespace lk {

namespace {

std::string name_of(const TcObject &filter) {
    if (filter.kind != "bpf") return fmt::format("clsact pref {} {}", filter.priority(), filter.kind);
    return fmt::format("clsact pref {} program {} \"{}\"", filter.priority(), filter.bpf_id, filter.bpf_name);
}

} // namespace

Result<void> read_chain(UplinkHook &hook) {
    const auto tcx_chain = tcx::chain(hook.ifindex);
    if (!tcx_chain)
        return failure(fmt::format("cannot read which tcx programs run on device {}", hook.ifindex));
    auto rtnl = Rtnl::open();
    if (!rtnl) return rtnl.error();
    auto filters = rtnl->filters(hook.ifindex, clsact_egress);
    if (!filters) return filters.error();
    // The kernel runs tcx programs first and clsact filters after them.
    bool passed_ours = false;
    const auto place = [&](bool ours, std::string text) {
        if (ours && !passed_ours)
            passed_ours = true;
        else
            (passed_ours ? hook.behind : hook.ahead).push_back(std::move(text));
    };
    for (const auto &entry : *tcx_chain)
        place(hook.attachment == Attachment::tcx && entry.program_id == hook.program_id,
              fmt::format("tcx program {} \"{}\"", entry.program_id, program_name(entry.program_id)));
    const unsigned place_of_ours = hook.attachment == Attachment::none ? free_priority(*filters) : UINT_MAX;
    for (const auto &filter : *filters) {
        passed_ours = passed_ours || filter.priority() >= place_of_ours;
        place(hook.attachment == Attachment::clsact && filter.bpf_id == hook.program_id, name_of(filter));
    }
    return {};
}

} // namespace lk
