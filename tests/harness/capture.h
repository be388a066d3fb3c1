// SPDX-License-Identifier: MIT
// The judge: every frame that arrives at the far side of the uplinks, and which of them carry a mark. Knows
// nothing of the filter: a frame matches when the marked bytes are in it, wherever they are.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "harness/bytes.h"
#include "harness/netns.h"

namespace lk::harness {

// What makes the packets of one case recognisable. A frame that holds any of the patterns matches.
struct Mark {
    // Bytes in a row; a flow has two bytes that may be anything (the source port) between address and port.
    struct Pattern {
        Bytes head;
        std::size_t gap = 0;
        Bytes tail;
    };
    std::vector<Pattern> patterns;

    void bytes(const Bytes &row) { patterns.push_back({row, 0, {}}); }
    // Destination address and port of TCP, UDP and their kin, as they follow each other after an IP header
    // without options.
    void flow(const Ip &dst, std::uint16_t port) { patterns.push_back({dst.bytes(), 2, be16(port)}); }
    bool in(const Bytes &frame) const;
};

class Capture {
  public:
    // Listens on all Ethernet devices of FAR, those that come later too; open it before any traffic.
    explicit Capture(const Netns &far);
    // A device that is no uplink's far side: a tunnel's own end, where it is an Ethernet.
    void leave_out(const std::string &device);

    // Waits until whatever was sent before this call has arrived, or is not going to: frames sent through a
    // private device pair of FAR on every CPU go through the same queues.
    void settle();
    // Frames received so far: a position for the calls below.
    std::size_t position();
    const Bytes &frame(std::size_t index) const { return frames_[index]; }
    // Number of frames since SINCE that match.
    std::size_t count(const Mark &mark, std::size_t since = 0);
    // Waits for a matching frame; at most 2 s.
    bool awaits(const Mark &mark, std::size_t since = 0);

  private:
    const Netns &far_;
    Fd socket_, fence_;
    int fence_in_ = 0, fence_out_ = 0;
    unsigned fence_sent_ = 0, fence_seen_ = 0;
    std::vector<int> left_out_; // ifindexes
    std::vector<Bytes> frames_;
    void drain();
};

} // namespace lk::harness
