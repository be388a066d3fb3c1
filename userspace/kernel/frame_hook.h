// SPDX-License-Identifier: MIT
// A program for frames at the head of one device's tcx chain, held by a pinned link. Of the calling thread's
// network namespace.
#pragma once

#include <cstdint>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "kernel/pins.h"
#include "kernel/programs.h"
#include "kernel/tcx.h"

namespace lk {

constexpr const char *frames_program = "lk_scope_frames"; // at the host's end of a link
constexpr const char *inside_program = "lk_scope_inside"; // at the container's own

struct FrameHook {
    const char *name;    // of the program
    std::uint32_t chain; // tcx::ingress or tcx::egress
    Program program{};
};

// The link pinned at PATH, if it is one of the device's chain: a device that was moved to another network
// namespace may have had the same number.
Fd living_link(const std::string &path, int ifindex, std::uint32_t chain);

// Pins in place of what is there.
Result<void> pin_at(int fd, const std::string &path);

// False: this kernel has no tcx, or there is no such device, and nothing was changed.
Result<bool> attach_first(const FrameHook &hook, const Pins &pins, int ifindex, const std::string &path);

// Takes the program off, wherever the device is by now. It may be gone already.
Result<void> detach_pinned(const std::string &path);

} // namespace lk
