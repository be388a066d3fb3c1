// SPDX-License-Identifier: MIT
#include "render/uplinks.h"

#include <map>

namespace lk {

std::vector<UplinkLine> uplink_lines(const Status &status) {
    std::map<int, UplinkLine> lines;
    for (const int ifindex : status.built.uplinks)
        lines[ifindex].guarded = true;
    for (const UplinkHook &hook : status.uplinks)
        lines[hook.ifindex].hook = &hook;
    std::vector<UplinkLine> sorted;
    for (auto &[ifindex, line] : lines) {
        line.ifindex = ifindex;
        if (const Device *device = status.topology.find(ifindex)) line.name = device->name;
        sorted.push_back(std::move(line));
    }
    return sorted;
}

std::string_view attachment_name(Attachment attachment) {
    switch (attachment) {
    case Attachment::tcx: return "tcx";
    case Attachment::clsact: return "clsact";
    case Attachment::none: break;
    }
    return "none";
}

OrderedJson uplink_to_json(const UplinkLine &line) {
    const UplinkHook none;
    const UplinkHook &hook = line.hook ? *line.hook : none;
    return {{"name", line.name ? OrderedJson(*line.name) : OrderedJson(nullptr)},
            {"ifindex", line.ifindex},
            {"guarded", line.guarded},
            {"hook", attachment_name(hook.attachment)},
            {"alive", hook.ours_alive},
            {"program_id", hook.program_id},
            {"ahead", hook.ahead},
            {"behind", hook.behind}};
}

} // namespace lk
