// SPDX-License-Identifier: MIT
// Our programs of one network namespace: loading them, pinning them, opening the pins. Attaches nothing.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "kernel/objects.h"
#include "kernel/pins.h"

namespace lk {

constexpr const char *uplink_program = "lk_egress";
constexpr const char *tunnel_in_program = "lk_tunnel_in";
constexpr const char *tunnel_out_program = "lk_tunnel_out";
constexpr const char *serve_program = "lk_serve_in";

constexpr const char *gate_netfilter_program = "lk_gate_filter";
constexpr const char *gate_cgroup_program = "lk_gate_cgroup";

struct Program {
    Fd fd;
    std::uint32_t id = 0;
};
using Programs = std::map<std::string, Program>; // by name: every one that is loaded

// Loads an object over the maps in pins.maps() and pins its programs in DIRECTORY by their names.
Result<void> load_and_pin(const EmbeddedObject &embedded, const Pins &pins, const std::string &directory);

// The pinned programs, which must use the map WORD_MAP_ID (they judge by our word, and not by one of old).
Result<Programs> open_programs(const Pins &pins, std::uint32_t word_map_id);

// Loads and pins the tunnels' programs beside the others if they are not in PROGRAMS, and adds them.
// Verifying them takes as long as the rest together, and most machines have no tunnel when they come up.
Result<void> want_tunnel_programs(const Pins &pins, std::uint32_t word_map_id, Programs &programs);

// The same for the program that sees who asks services.
Result<void> want_serve_program(const Pins &pins, std::uint32_t word_map_id, Programs &programs);

// The same for the second gate's program: the netfilter one if the kernel takes it, else the other.
Result<void> want_gate_program(const Pins &pins, std::uint32_t word_map_id, Programs &programs);

// The uplink's program once more over the same maps, not pinned: the kernel takes each once in a chain.
Result<Fd> load_uplink_again(const Pins &pins);

// Of the directory that has the programs for cgroups, as long as this build's are the pinned ones.
const std::string &scope_programs_name();
constexpr std::string_view scope_programs_prefix = "progs-";

// True if the pinned programs were loaded from the very objects in this executable.
bool programs_are_current(const Pins &pins);

// True if the pinned maps can serve the objects in this executable: same types, sizes and flags. Missing ones
// do.
bool maps_suit_objects(const Pins &pins);

// Makes the maps that are missing in pins.maps(), loads the objects that are always there over them and pins
// the programs, so that progs/ is there as a whole or not at all.
Result<void> load_programs(const Pins &pins);

} // namespace lk
