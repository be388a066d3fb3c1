// SPDX-License-Identifier: MIT
// Embedded objects through libbpf: opened, and loaded into the kernel. Attaches nothing; pins maps only.
#pragma once

#include <bpf/libbpf.h>

#include <memory>
#include <string>

#include "base/result.h"
#include "kernel/objects.h"

namespace lk {

struct CloseObject {
    void operator()(bpf_object *object) const { bpf_object__close(object); }
};
using Object = std::unique_ptr<bpf_object, CloseObject>;

// What libbpf 1.1 does not know of a program by its section: BPF netfilter.
void set_program_types(bpf_object &object);

Result<Object> open_object(const EmbeddedObject &embedded);

// Loads all programs over the maps pinned in MAPS_DIR, which it makes where they are missing. MAPS_DIR empty:
// maps of its own, which end with the object. Where there is an exact variant and the kernel takes it, that
// is what is loaded. An error has what the verifier said of the other.
Result<Object> load_object(const EmbeddedObject &embedded, const std::string &maps_dir);

} // namespace lk
