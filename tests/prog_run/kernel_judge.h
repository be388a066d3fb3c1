// SPDX-License-Identifier: MIT
// The kernel as a judge, by BPF_PROG_TEST_RUN: loads the uplink's text with the test program beside it, fills
// the maps with a world's rows and asks. Attaches nothing and pins nothing; needs CAP_BPF and CAP_NET_ADMIN.
// The packets are on the loopback device of the calling thread's network namespace, which never sends them.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "cases/judges/image.h"

namespace lk {

class KernelJudge {
  public:
    KernelJudge(); // throws with libbpf's reason if the object does not load
    ~KernelJudge();

    void use(const World &world); // under a new epoch; fragments are forgotten
    // nullopt: BPF_PROG_TEST_RUN takes no such frame (below 15 bytes, untagged without a whole IP header on
    // newer kernels, or more than fits a page).
    std::optional<Answer> judge(const Sender &sender, std::span<const std::uint8_t> frame);

    // lk_egress itself, as attached to an uplink. It finds the sender out by itself, so only local senders
    // without a mark of ours can be asked for; fwmark counts.
    struct Egress {
        int code;                  // TC_ACT_*
        std::optional<int> reason; // whose counter moved; none, or more than one packet: nullopt
    };
    std::optional<Egress> egress(const Sender &sender, std::span<const std::uint8_t> frame);

    void forget_fragments();
    void age_fragments(std::uint64_t ns); // as if so much more time had gone by

    // Records that must not be in force.
    void set_epoch(std::uint32_t epoch); // the word alone
    std::uint32_t epoch() const { return epoch_; }
    void change_record(void (*change)(lk_dev &));

  private:
    struct Object;
    std::unique_ptr<Object> object_;
    Rows rows_;
    GatewayTable table_;
    std::optional<lk_dev> device_;
    std::uint32_t next_id_ = 1, epoch_ = 0;
    std::uint64_t clock_ns_ = 1; // of the world; deadlines are written as so much of the kernel's
    void put_device(const lk_dev *device);
    void put_table(const GatewayTable &table);
    std::vector<std::vector<std::uint8_t>> arrived_;
    bool buckets_used_ = false;
    void arrive();
    std::optional<int> run(int program_fd, const Sender &sender, std::span<const std::uint8_t> frame);
};

} // namespace lk
