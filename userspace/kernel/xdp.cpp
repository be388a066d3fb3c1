// SPDX-License-Identifier: MIT
#include "kernel/xdp.h"

#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/if_link.h>

#include "kernel/sys.h"

namespace lk {

std::string xdp_on(int ifindex) {
    LIBBPF_OPTS(bpf_xdp_query_opts, found);
    if (bpf_xdp_query(ifindex, 0, &found) != 0 || found.attach_mode == XDP_ATTACHED_NONE) return "";
    const auto text = [](__u32 id, const char *mode) {
        return id == 0 ? std::string() : fmt::format("program {} \"{}\", {}", id, program_name(id), mode);
    };
    for (const auto &[id, mode] :
         {std::pair{found.hw_prog_id, "in the hardware"}, std::pair{found.drv_prog_id, "native"},
          std::pair{found.skb_prog_id, "generic"}, std::pair{found.prog_id, "attached"}})
        if (id != 0) return text(id, mode);
    return "a program whose id is not told";
}

} // namespace lk
