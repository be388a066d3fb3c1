// SPDX-License-Identifier: MIT
// The steps that attach, detach and follow share. Each needs the Lock.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "control/control.h"

namespace lk {

bool same_image(const MapImage &left, const MapImage &right);
bool alive_on(const std::vector<UplinkHook> &hooks, int ifindex); // HOOKS as State gives them

// Only detach opens traffic: a device with our living hook stays an uplink whatever became of its name, its
// routes or its ports. One that DOCUMENT would let go gets its present name put into the scope that takes new
// uplinks in (the last one, where none does); detach, --tunnel and --inside are what lets go of it.
Document hold_guarded(Document document, const Topology &topology, const std::vector<UplinkHook> &hooks);

// HOOKS without those on the devices of LET_GO.
void drop_hooks(std::vector<UplinkHook> &hooks, const std::vector<int> &let_go);

struct HookAnswer {
    std::vector<std::string> notices;
    std::vector<std::string> failed; // "eth0: why"
    std::vector<int> bare;           // the devices of FAILED
    Exit exit = Exit::failure;       // of a failed one
};
// Puts our hook on each of UPLINKS, with the kind that the device's scope asks for, unless it is among those
// THERE. A device that is gone by now is no failure.
HookAnswer attach_hooks(State &state, const Document &document, const Topology &topology,
                        const std::vector<int> &uplinks, const std::vector<UplinkHook> &there = {});

// Uplinks of IMAGE whose policy has services: what comes in there must be seen.
std::vector<int> serving(const MapImage &image);

// The hooks that see it, on those of UPLINKS whose scope has services: before the uplinks' own, so that
// nothing that came in is missed. What is refused is in the answer, and answers nobody.
HookAnswer attach_serves(State &state, const Document &document, const Topology &topology,
                         const std::vector<int> &uplinks);

// Puts our hooks on the tunnels that queries go by or could, before the commit that sends them there, and
// takes them off what is gone or no tunnel now. What fails is for people to know: through the tunnel that
// leads to a resolver queries are refused then, and through others they go where they are sent.
void attach_tunnels(State &state, const Document &document, const Topology &topology, Built &built);

// Devices that the second gate leaves alone, and how: all that are there, but uplinks that are to be guarded
// and have no living hook, and what is stacked on them. So a device that nobody has looked at is judged.
std::map<int, lk_spare> spared_devices(const Document &document, const Topology &topology,
                                       const std::vector<UplinkHook> &hooks);

// The second gate, where a scope takes new uplinks in; takes it off where none does. A kernel that refuses it
// is an error, which costs no promise but that one.
Result<void> keep_gate(State &state, const Document &document, const Topology &topology,
                       const std::vector<UplinkHook> &hooks);

// As reconcile(), but what fails after the commit is told beside what was built.
struct Reconciled {
    Built built;
    std::vector<int> bare, deaf; // devices without the uplink's hook, without the one that sees who asks
    std::optional<Error> failed; // why, and what else was not done
};
Result<Reconciled> reconcile_most(State &state, const Document &wanted, const Topology &topology,
                                  const std::vector<int> &let_go = {});

// Takes hooks off devices that are no longer to be guarded, and cleans up after devices that are gone. Only
// after the commit, so that nothing opens before the policy says so.
Result<void> remove_stray_hooks(State &state, const Built &built, const Topology &topology);

} // namespace lk
