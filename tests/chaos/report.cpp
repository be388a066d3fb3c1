// SPDX-License-Identifier: MIT
#include "chaos/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace lk::chaos {

namespace {

constexpr Micros closed_limit = 3 * second; // after a device is there again
constexpr Micros open_limit = second;       // before a new device is guarded
constexpr Micros in_flight = 10'000;        // a packet on its way is lost with its device
constexpr std::size_t most_told = 20;

double ms(Micros time) {
    return time / 1000.0;
}

double quantile_ms(std::vector<Micros> values, double q) {
    if (values.empty()) return 0;
    std::ranges::sort(values);
    return ms(values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1) + 0.5)]);
}

// The steps around a moment.
std::string around(const Story &story, Micros time) {
    std::string text;
    const auto after = std::ranges::find_if(story.steps, [=](const Step &step) { return step.to >= time; });
    const auto place = static_cast<std::size_t>(after - story.steps.begin());
    for (std::size_t i = place >= 3 ? place - 3 : 0; i < std::min(place + 2, story.steps.size()); ++i)
        text += fmt::format("    {} {:>11.3f} .. {:.3f} ms  {}\n", i == place ? '>' : ' ',
                            ms(story.steps[i].from), ms(story.steps[i].to), story.steps[i].what);
    return text;
}

class Reading {
  public:
    Reading(const Ledger &ledger, const Story &story) : ledger_(ledger), story_(story) {}

    bool read() {
        for (std::size_t flow = 0; flow < flows().size(); ++flow) {
            check_seen(flow);
            if (flows()[flow].allowed)
                read_allowed(flow);
            else
                read_forbidden(flow);
        }
        print();
        return good_;
    }

  private:
    struct Ends { // of windows of one kind, of all flows
        std::vector<Micros> closed, open;
        std::uint64_t leaked = 0;
    };

    // Before and after the filter was there every flow must arrive: a judge who sees nothing judges nothing.
    void check_seen(std::size_t flow) {
        std::uint64_t before = 0, after = 0;
        for (std::uint64_t number = 0; number < count(flow); ++number) {
            const Packet &packet = ledger_.packet(flow, number);
            if (packet.arrived == 0) continue;
            before += packet.sent < story_.guarded_from;
            after += packet.sent > story_.guarded_to;
        }
        if (before == 0 || after == 0)
            fail(fmt::format("{} was not seen {} the filter was there: the far side does not see it",
                             flows()[flow].name, before == 0 ? "before" : "after"));
    }

    void read_allowed(std::size_t flow) {
        std::vector<std::pair<Micros, Micros>> explained; // lost packets sent in [first, second)
        for (const Window &window : story_.windows) {
            if (!(flows()[flow].path == Path::pinned ? window.pinned : window.roaming)) continue;
            const Micros end = last_closed(flow, window);
            const Micros closed = end - std::min(end, window.restored);
            kinds_[window.kind].closed.push_back(closed);
            if (closed > closed_limit)
                fail(fmt::format("{} passed only {:.0f} ms after its device was there ({})\n{}",
                                 flows()[flow].name, ms(closed), window.kind,
                                 around(story_, window.restored)));
            explained.emplace_back(window.from - std::min(window.from, in_flight), end);
        }
        for (std::uint64_t number = 0; number + 1 < count(flow); ++number) {
            const Packet &packet = ledger_.packet(flow, number);
            if (packet.sent < story_.guarded_from || packet.sent > story_.guarded_to) continue;
            ++allowed_;
            if (packet.arrived != 0) continue;
            // It left between its own moment and the next one's.
            const Micros sent = packet.sent, until = ledger_.packet(flow, number + 1).sent;
            const bool is_explained = std::ranges::any_of(
                explained, [=](const auto &span) { return sent < span.second && until >= span.first; });
            ++(is_explained ? lost_explained_ : lost_);
            if (!is_explained) tell("LOST", flow, number, sent);
        }
    }

    void read_forbidden(std::size_t flow) {
        std::map<const Window *, std::pair<Micros, Micros>> open; // first and last packet let out
        for (std::uint64_t number = 0; number < count(flow); ++number) {
            const Packet &packet = ledger_.packet(flow, number);
            if (packet.sent < story_.guarded_from || packet.sent > story_.guarded_to) continue;
            ++forbidden_;
            const Micros arrived = packet.arrived;
            if (arrived == 0) continue;
            const auto window =
                std::find_if(story_.windows.rbegin(), story_.windows.rend(), [&](const Window &each) {
                    return each.appeared && each.uplink == packet.uplink && arrived >= each.from;
                });
            if (window == story_.windows.rend() || arrived > window->restored + open_limit) {
                ++leaked_;
                tell("LEAKED", flow, number, packet.sent);
                continue;
            }
            ++kinds_[window->kind].leaked;
            if (story_.window_fails) tell("LET OUT", flow, number, packet.sent);
            open.try_emplace(&*window, arrived, arrived).first->second.second = arrived;
        }
        for (const Window &window : story_.windows) {
            if (!window.appeared) continue;
            if (window.uplink == 0 && flows()[flow].path == Path::roaming) continue; // the pinned one tells
            if (window.uplink == 1 && flows()[flow].path == Path::pinned) continue;
            const auto found = open.find(&window);
            kinds_[window.kind].open.push_back(
                found == open.end() ? 0 : found->second.second - found->second.first + 1);
        }
    }

    std::uint64_t first_from(std::size_t flow, Micros from) const {
        std::uint64_t low = 0, high = count(flow);
        while (low < high) {
            const std::uint64_t middle = (low + high) / 2;
            if (ledger_.packet(flow, middle).sent < from)
                low = middle + 1;
            else
                high = middle;
        }
        return low;
    }

    // When the first packet was sent, from FROM on, that arrived.
    Micros first_passed(std::size_t flow, Micros from) const {
        for (std::uint64_t number = first_from(flow, from); number < count(flow); ++number)
            if (ledger_.packet(flow, number).arrived != 0) return ledger_.packet(flow, number).sent;
        return story_.guarded_to;
    }

    // When the first packet was sent that arrived after all that were lost until WINDOW had settled.
    Micros last_closed(std::size_t flow, const Window &window) const {
        Micros from = window.restored;
        for (std::uint64_t number = first_from(flow, window.restored);
             number < count(flow) && ledger_.packet(flow, number).sent < window.settled; ++number)
            if (ledger_.packet(flow, number).arrived == 0) from = ledger_.packet(flow, number).sent;
        return first_passed(flow, from);
    }

    void tell(const char *what, std::size_t flow, std::uint64_t number, Micros sent) {
        good_ = false;
        if (told_[what]++ >= most_told) return;
        const Packet &packet = ledger_.packet(flow, number);
        fmt::print("{} {} number {}, sent at {:.3f} ms (errno {}), arrived at {:.3f} ms on uplink {}\n{}",
                   what, flows()[flow].name, number, ms(sent), packet.error.load(), ms(packet.arrived),
                   packet.uplink.load(), around(story_, sent));
    }

    void fail(const std::string &what) {
        good_ = false;
        if (told_["FAILED"]++ < most_told) fmt::print("FAILED {}\n", what);
    }

    void print() {
        const Ledger::Shared &shared = ledger_.shared();
        for (const std::string &failure : story_.failures)
            fail(failure);
        if (shared.unread > 0) fail(fmt::format("the far side's capture lost {} frames", shared.unread));
        if (shared.unlike > 0)
            fail(fmt::format("{} frames to the flows' addresses were made by no sender", shared.unlike));
        for (const auto &[what, times] : told_)
            if (times > most_told) fmt::print("... and {} more {}\n", times - most_told, what);
        fmt::print("\n{:<24} {:>6} {:>26} {:>38}\n", "an uplink was", "flows", "closed p50 / p99 / most ms",
                   "open packets, p50 / p99 / most ms");
        std::uint64_t let_out = 0;
        for (const auto &[kind, ends] : kinds_) {
            std::string open;
            if (!ends.open.empty())
                open = fmt::format("{}, {:.1f} / {:.1f} / {:.1f}", ends.leaked, quantile_ms(ends.open, 0.5),
                                   quantile_ms(ends.open, 0.99), quantile_ms(ends.open, 1));
            fmt::print("{:<24} {:>6} {:>26} {:>38}\n", kind, ends.closed.size(),
                       fmt::format("{:.1f} / {:.1f} / {:.1f}", quantile_ms(ends.closed, 0.5),
                                   quantile_ms(ends.closed, 0.99), quantile_ms(ends.closed, 1)),
                       open);
            let_out += ends.leaked;
        }
        fmt::print("\nforbidden: {} sent, {} leaked; {} more before a new uplink was guarded{}\n", forbidden_,
                   leaked_, let_out, story_.window_fails ? "" : " (--window fail makes them leaks)");
        fmt::print("allowed:   {} sent, {} lost while their device was down, gone or not yet let through, {} "
                   "lost otherwise\n",
                   allowed_, lost_explained_, lost_);
        fmt::print("the senders' longest pause was {:.1f} ms; {} frames were judged\n",
                   ms(shared.longest_stall), shared.judged.load());
        if (story_.window_fails && let_out > 0) good_ = false;
    }

    std::uint64_t count(std::size_t flow) const { return ledger_.shared().sent[flow]; }

    const Ledger &ledger_;
    const Story &story_;
    std::map<std::string, Ends> kinds_;
    std::uint64_t allowed_ = 0, forbidden_ = 0, lost_ = 0, lost_explained_ = 0, leaked_ = 0;
    std::map<std::string, std::size_t> told_; // by what, so that losses do not crowd out a leak
    bool good_ = true;
};

} // namespace

bool report(const Ledger &ledger, const Story &story) {
    return Reading(ledger, story).read();
}

} // namespace lk::chaos
