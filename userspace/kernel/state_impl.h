// SPDX-License-Identifier: MIT
// What a State holds open. Private to this room.
#pragma once

#include <utility>

#include "kernel/cgroup_links.h"
#include "kernel/commit.h"
#include "kernel/kernel_maps.h"
#include "kernel/pins.h"
#include "kernel/programs.h"
#include "kernel/state.h"

namespace lk {

struct State::Impl {
    Place place;
    Pins pins;
    KernelMaps maps;
    Programs programs;
    Committer committer;

    const Program &program(const std::string &name) const { return programs.at(name); }
    static Result<std::unique_ptr<Impl>> open(const Place &place);
    // Opens everything again if another process has put other programs or maps in place (a newer build,
    // mended pins): called before anything is changed. An error where the state was removed.
    Result<void> refresh();
    // Tells the guard of links, if it is there, which programs are ours by now: to be called once more were
    // loaded, or nobody keeps others from taking their links off.
    Result<void> tell_links_guard() const;
};

} // namespace lk
