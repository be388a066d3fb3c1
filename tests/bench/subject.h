// SPDX-License-Identifier: MIT
// A loaded copy of the uplink's program with maps of its own, filled for one policy, and how long it takes
// over a packet. Attaches and pins nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "bench/knobs.h"
#include "cases/packet.h"
#include "cases/world.h"
#include "image/gateway_table.h"

struct bpf_object;

namespace lk::bench {

enum class Front { none, scattered, marked }; // what runs before it: see bench.bpf.c

class Subject {
  public:
    // OBJECT: a file to load instead of the program of this build. POLICIES: as many further sets hold the
    // same gateways as rows.
    Subject(const World &world, unsigned policies, const std::string &object);
    Subject(const Subject &) = delete;
    Subject &operator=(const Subject &) = delete;
    ~Subject();

    struct Run {
        double ns = 0;  // for each packet
        int action = 0; // of the last one
    };
    Run run(Front front, const Bytes &frame, unsigned repeat) const;
    Run run_empty(Front front, const Bytes &frame, unsigned repeat) const;

    void set_knobs(const lk_bench_knobs &knobs) const;
    void exhaust_limits() const; // no answer is crafted for the next window: it would change the packet
    // The reason whose counter moved last since the call before; -1: none.
    int reason() const;
    std::size_t rows() const { return rows_; }

  private:
    bpf_object *uplink_ = nullptr;
    bpf_object *bench_ = nullptr;
    std::size_t rows_ = 0;
    mutable std::uint64_t counts_[32] = {};
    void put_table(const GatewayTable &table) const;
    Run run_program(const char *name, bool empty, const Bytes &frame, unsigned repeat) const;
};

} // namespace lk::bench
