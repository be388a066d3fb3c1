// SPDX-License-Identifier: MIT
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/file.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "kernel/state_impl.h"
#include "kernel/sys.h"

namespace lk {

namespace {

struct FreeRing {
    void operator()(ring_buffer *ring) const { ring_buffer__free(ring); }
};

// What the ring's callback works with. A null visitor: records from before the watch, which are thrown away.
struct Reader {
    const std::function<bool(const lk_event &)> *visit = nullptr;
    bool ended = false;
};

constexpr int reader_ended = -ECANCELED;

int take_record(void *context, void *data, std::size_t size) {
    auto &reader = *static_cast<Reader *>(context);
    if (reader.visit == nullptr || size < sizeof(lk_event)) return 0;
    lk_event event;
    std::memcpy(&event, data, sizeof(event));
    reader.ended = !(*reader.visit)(event);
    return reader.ended ? reader_ended : 0; // an error is the only way to make libbpf stop
}

} // namespace

Result<void> State::watch(int stop_fd, const std::function<bool(const lk_event &)> &on_event) const {
    // The ring has one read position, which two readers would tear at.
    auto lock = open_directory(impl_->pins.maps());
    if (lock.error != 0) return system_error("cannot open " + impl_->pins.maps(), lock.error);
    if (::flock(lock.fd.get(), LOCK_EX | LOCK_NB) != 0)
        return Error{Exit::busy,
                     "another watch of this network namespace is reading the events: only one can"};
    Reader reader;
    const std::unique_ptr<ring_buffer, FreeRing> ring{
        ring_buffer__new(impl_->maps.events.fd(), take_record, &reader, nullptr)};
    if (!ring) return system_error("cannot map the ring buffer lk_events", errno);
    ring_buffer__consume(ring.get());
    reader.visit = &on_event;
    std::array<pollfd, 2> waits{{{stop_fd, POLLIN, 0}, {ring_buffer__epoll_fd(ring.get()), POLLIN, 0}}};
    for (;;) {
        if (::poll(waits.data(), waits.size(), -1) < 0) {
            if (errno == EINTR) continue;
            return system_error("cannot wait for events", errno);
        }
        if (waits[0].revents != 0) return {};
        const int result = ring_buffer__consume(ring.get());
        if (reader.ended) return {};
        if (result < 0) return system_error("cannot read the ring buffer lk_events", -result);
    }
}

} // namespace lk
