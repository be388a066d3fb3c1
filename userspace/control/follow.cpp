// SPDX-License-Identifier: MIT
// The loop: netlink -> reconcile. A follower that dies leaves the last policy in force; nothing here opens
// anything but what build_image() says.
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <set>
#include <thread>

#include "base/boot_clock.h"
#include "base/fd.h"
#include "control/control.h"
#include "control/front.h"
#include "control/leftovers.h"
#include "control/portal.h"
#include "control/reconcile.h"
#include "control/scopes.h"
#include "control/site.h"
#include "control/trial.h"
#include "control/window_times.h"
#include "image/build_scopes.h"
#include "kernel/pins.h"
#include "net/monitor.h"

namespace lk {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds lock_wait{300}; // short: SIGTERM must be heard while another holds the lock
constexpr milliseconds mend_lock_wait{10000};
constexpr milliseconds look_every{1000};  // is the state still there?
constexpr milliseconds hooks_every{5000}; // are the hooks still there? Of some nobody tells
constexpr int rest_factor = 9; // times as long as a look for which clsact gave reason, before the next one
constexpr milliseconds longest_rest{1000};
constexpr milliseconds retry_first{100};
constexpr milliseconds retry_longest{30000};

// Which one this is, for what was removed and made again under the same name.
using Identity = std::optional<std::pair<dev_t, ino_t>>;
Identity identity(const std::string &path) {
    struct stat found;
    if (stat(path.c_str(), &found) != 0) return std::nullopt;
    return std::pair(found.st_dev, found.st_ino);
}

class Signals {
  public:
    static Result<Fd> open() {
        sigset_t set;
        sigemptyset(&set);
        for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1})
            sigaddset(&set, number);
        sigprocmask(SIG_BLOCK, &set, nullptr);
        signal(SIGPIPE, SIG_IGN); // attach stops reading once the follower follows
        Fd fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
        if (!fd) return failure(std::string("signalfd: ") + std::strerror(errno));
        return fd;
    }
};

class Follower {
  public:
    Follower(const Site &site, const FollowTold &told, State state, Fd claim, Monitor monitor, Fd signals)
        : site_(site), told_(told), state_(std::move(state)), claim_(std::move(claim)),
          monitor_(std::move(monitor)), signals_(std::move(signals)),
          directory_(identity(site.place.directory())), pinned_(pinned()) {}

    Result<void> run() {
        while (true) {
            const auto now = Clock::now();
            if (now >= next_look_) {
                if (!still_there() || !adopt() || !still_ours()) return {};
                next_look_ = now + look_every;
                if (told_.alive) told_.alive();
                look_at_epoch();
                look_at_front();
                // A service that is started anew has a new cgroup under its old path.
                if (document_ && refresh_cgroups(*document_, site_.place.cgroup_root)) dirty_ = true;
                if (now >= next_hooks_) {
                    next_hooks_ = now + hooks_every;
                    look_at_hooks();
                }
            }
            const bool disturbed = disturbed_ && now >= next_disturbed_;
            if (disturbed) {
                disturbed_ = false;
                look_at_hooks();
            }
            // That the next attempt at something else is far away keeps no policy longer than its trial.
            const bool over = document_ && overdue(*document_, boot_clock_ns());
            if (over && !trial_over_) not_before_ = {};
            trial_over_ = over;
            dirty_ = dirty_ || over || (document_ && portal_over(*document_, boot_clock_ns()));
            if (dirty_ && Clock::now() >= not_before_) turn();
            if (disturbed) // whoever takes our filter off again and again has a tenth of a core, and no more
                next_disturbed_ = Clock::now() +
                                  std::min<Clock::duration>(rest_factor * (Clock::now() - now), longest_rest);
            if (nothing_in_force_)
                return failure("no policy is in force, so there is nothing to follow: attach again");
            if (unusable_ && told_.mend) return failure(unusable_state); // mended by the next one
            if (!wait()) return {};
        }
    }

  private:
    bool still_there() const { return directory_ && identity(site_.place.directory()) == directory_; }
    // The maps and the programs that are pinned now, each by one of them.
    std::pair<Identity, Identity> pinned() const {
        const Pins pins{site_.place.directory()};
        return {identity(pins.maps() + "/lk_word"), identity(pins.programs())};
    }

    // Goes over to the maps and programs that are pinned now, if an attach had to make new ones: the old maps
    // must not be held, or they could not be removed, and by the old programs no hook is seen to be ours.
    // False: they cannot be used.
    bool adopt() {
        const auto now = pinned();
        if (state_ && now == pinned_) return true;
        state_.reset();
        built_.reset();
        document_.reset();
        dirty_ = true;
        Result<std::optional<State>> found = State::find(site_.place);
        if (!found) return false;
        if (*found) {
            state_ = std::move(*found);
            pinned_ = now;
        }
        return true; // half made: it will be whole, or gone
    }

    // The claim is told by a pin that somebody may remove. False: another follower has it now.
    bool still_ours() {
        if (!state_ || state_->follower() == getpid()) return true;
        claim_.reset();
        Result<std::optional<Fd>> claim = state_->claim_follower();
        if (!claim || !*claim) return false;
        claim_ = std::move(**claim);
        return true;
    }

    // Whoever puts a policy into force says so, but may be killed before.
    void look_at_epoch() {
        const std::uint32_t now = state_ ? state_->epoch() : 0;
        if (now == seen_epoch_) return;
        seen_epoch_ = now;
        dirty_ = true;
        not_before_ = {};
    }

    std::vector<int> hooked() const {
        std::vector<int> result = built_->uplinks;
        std::erase_if(result, [this](int ifindex) { return bare_.contains(ifindex); });
        return result;
    }

    // Of a program that came before ours, or of our link that was taken off, nobody tells.
    void look_at_front() {
        if (!built_ || !state_ || !front_.disturbed(*state_, hooked(), Clock::now())) return;
        dirty_ = true;
        hurry();
    }

    void look_at_hooks() {
        if (hooks_alive()) return;
        dirty_ = true;
        hurry();
    }

    // What came in does not wait for a long retry, but repeated failures stay bounded.
    void hurry() {
        not_before_ =
            std::min(not_before_, Clock::now() + (trouble_.empty() ? milliseconds{0} : retry_first));
    }

    bool hooks_alive() const {
        if (!built_ || !state_) return true; // a turn is due anyway
        const auto hooks = state_->uplink_hooks(Chains::skip);
        return hooks && all_alive(*hooks);
    }

    // Those that got none are tried again when a turn is due.
    bool all_alive(const std::vector<UplinkHook> &hooks) const {
        return std::ranges::all_of(
                   built_->uplinks,
                   [&](int ifindex) { return alive_on(hooks, ifindex) || bare_.contains(ifindex); }) &&
               std::ranges::all_of(
                   serving(built_->image),
                   [this](int ifindex) { return state_->serve_alive(ifindex) || deaf_.contains(ifindex); }) &&
               std::ranges::all_of(built_->tunnels,
                                   [this](int ifindex) { return state_->tunnel_alive(ifindex); }) &&
               socket_hooks_alive() && guards_alive() && gate_alive();
    }

    // Which guards there can be is the kernel's matter: those that were there once are to be there.
    bool guards_alive() const {
        const auto guards = state_->guard_hooks();
        if (!guards) return true; // no promise rests on them
        return std::ranges::all_of(*guards, [this](const GuardHook &guard) {
            return guard.alive || !guards_seen_.contains(guard.name);
        });
    }

    // What cannot be put back is not tried again until somebody attaches anew.
    void put_guards_back() {
        if (!guards_alive()) {
            const auto put = state_->attach_guards(socket_makers(*document_));
            if (!put && told_.trouble) told_.trouble(put.error().message);
            guards_seen_.clear();
        }
        if (const auto guards = state_->guard_hooks())
            for (const GuardHook &guard : *guards)
                if (guard.alive) guards_seen_.insert(guard.name);
    }

    // Early in the turn, because traffic on a new tunnel waits for it. Told once, and tried again each turn.
    void put_gate_back(const std::vector<UplinkHook> &hooks) {
        const Result<void> kept = keep_gate(*state_, *document_, monitor_.topology(), hooks);
        gate_seen_ = kept && state_->gate() != GateKind::none;
        const std::string trouble = kept ? "" : kept.error().message;
        if (!kept && followed_ && trouble != gate_trouble_ && told_.trouble)
            told_.trouble("no second gate: " + trouble);
        gate_trouble_ = trouble;
    }
    bool gate_alive() const { return !gate_seen_ || state_->gate() != GateKind::none; }

    bool socket_hooks_alive() const {
        const auto hooks = state_->cgroup_hooks();
        return hooks && std::ranges::all_of(*hooks, &CgroupHook::alive);
    }

    // One turn; on trouble the next is due later and later, or at the next event.
    void turn() {
        const Result<Lock> lock = Lock::take(site_.place, lock_wait);
        if (!still_there()) return; // run() ends
        if (!lock) return not_yet(lock.error(), lock.error().exit != Exit::busy);
        if (taken_off_ && replaced()) taken_off_.reset();
        if (taken_off_) return take_all_off(*taken_off_);
        unusable_ = !adopt() || !state_; // nobody is in the middle of it: we hold the lock
        if (unusable_) return not_yet(failure("the filter's maps cannot be used: attach again"), true);
        nothing_in_force_ = state_->epoch() == 0; // an attach was ended before it came so far
        if (nothing_in_force_) return;
        if (!know_document()) return;
        if (overdue(*document_, boot_clock_ns()) && (!end_trial() || !know_document())) return;
        if (document_->portal) take_in(); // its command may have seen more of the network than was heard here
        guard_new();
        const auto hooks = state_->uplink_hooks(Chains::skip);
        if (!hooks) return not_yet(hooks.error(), true);
        put_gate_back(*hooks);
        document_ = hold_guarded(*std::move(document_), monitor_.topology(), *hooks);
        const bool pruned = tidy_portal();
        const Built wanted = build_image(*document_, monitor_.topology());
        bool tell = false;
        std::vector<std::string> troubles; // of which each costs no more than itself
        if (!built_ || pruned || !bare_.empty() || !deaf_.empty() ||
            !same_image(wanted.image, built_->image) || wanted.tunnels != built_->tunnels ||
            !all_alive(*hooks)) {
            Result<Reconciled> done = reconcile_most(*state_, *document_, monitor_.topology());
            seen_epoch_ = state_->epoch(); // it may have been committed before it failed
            if (!done) return not_yet(done.error(), true);
            if (done->failed) troubles.push_back(done->failed->message);
            built_ = std::move(done->built);
            known_ = {built_->uplinks.begin(), built_->uplinks.end()};
            bare_ = {done->bare.begin(), done->bare.end()};
            deaf_ = {done->deaf.begin(), done->deaf.end()};
            epoch_ = state_->epoch();
            tell = true;
        }
        // Somebody detached one, or removed its pin. Sockets made meanwhile are taken in as at attach.
        if (!socket_hooks_alive())
            if (Result<void> done = state_->attach_cgroup_hooks(); !done)
                troubles.push_back(done.error().message);
        Front::Answer front = front_.restore(*state_, hooked(), monitor_.topology(), Clock::now());
        std::ranges::move(front.left, std::back_inserter(troubles));
        put_guards_back();
        if (tell) // uplinks that got their hook only now
            if (const auto now = state_->uplink_hooks(Chains::skip)) put_gate_back(*now);
        tell_turn(tell, fmt::format("{}", fmt::join(troubles, "; ")), front.restored);
    }

    // The turn is done, but for TROUBLE. What attach waits for comes first.
    void tell_turn(bool committed, const std::string &trouble, const std::vector<std::string> &restored) {
        followed_ = true;
        if (committed && told_.committed) told_.committed(monitor_.topology(), *built_, bare_);
        if (told_.overtaken) std::ranges::for_each(restored, told_.overtaken);
        if (!portal_ended_.empty() && told_.portal_ended) told_.portal_ended(portal_ended_);
        portal_ended_.clear();
        if (!trouble.empty()) return again_later(trouble);
        dirty_ = !gate_trouble_.empty(); // tried again, if seldom
        not_before_ = dirty_ ? Clock::now() + retry_longest : Clock::time_point{};
        retry_ = retry_first;
        if (!trouble_.empty() && told_.over) told_.over(trouble_);
        trouble_.clear();
    }

    // What the document says no longer of a portal. True: there is something to be committed.
    bool tidy_portal() {
        if (!document_->portal) return false;
        const bool over = portal_over(*document_, boot_clock_ns()); // the kernel has closed it
        if (over) document_->portal.reset();
        const bool pruned = over || prune_portal(*document_, monitor_.topology());
        if (over)
            portal_ended_ = "the portal's time is over: it is closed";
        else if (pruned)
            portal_ended_ = document_->portal ? "the portal is closed to routers that are none any more"
                                              : "the portal is closed: its routers are none any more";
        return pruned;
    }

    // The one in force. False: it cannot be read.
    bool know_document() {
        if (document_ && state_->epoch() == epoch_) return true;
        Result<Document> document = state_->document();
        if (!document) {
            not_yet(document.error(), true);
            return false;
        }
        document_ = *std::move(document);
        built_.reset();
        refresh_cgroups(*document_, site_.place.cgroup_root);
        return true;
    }

    // Nobody kept the policy that was on trial. True: the one before is in force.
    bool end_trial() {
        const Document trial = *std::move(document_);
        document_.reset();
        built_.reset();
        if (trial.trial->before.empty()) {
            take_all_off(trial);
            return false;
        }
        if (Result<void> done = go_back(site_.place, state_, trial, monitor_.topology()); !done) {
            not_yet(done.error(), true);
            return false;
        }
        if (told_.trial_ended)
            told_.trial_ended("the policy on trial was not kept: the one before is in force again");
        return true;
    }

    // Somebody attached anew where not everything could be taken off.
    bool replaced() const {
        const Result<std::optional<State>> now = State::find(site_.place);
        if (!now || !*now || (*now)->epoch() == 0) return false;
        const Result<Document> document = (*now)->document();
        return document && document->trial != taken_off_->trial;
    }

    // Half of it may be gone when it fails, the document too: then it goes on from what is remembered.
    void take_all_off(const Document &trial) {
        taken_off_ = trial;
        Result<void> done = go_back(site_.place, state_, *taken_off_, monitor_.topology());
        if (!done && still_there()) return not_yet(done.error(), true);
        if (told_.trial_ended)
            told_.trial_ended("the policy on trial was not kept: the filter is taken off" +
                              (done ? std::string() : "; " + done.error().message));
        dirty_ = false;
        next_look_ = {}; // run() ends
    }

    // Hooks first on uplinks that came or that lost theirs: without a record they deny, and 100,000 gateways
    // take their time. What fails here fails again in the turn, and is told there.
    void guard_new() {
        const auto hooks = state_->uplink_hooks(Chains::skip);
        std::vector<int> uplinks;
        for (const Guarded &guarded : plan_scopes(*document_, monitor_.topology()).guarded)
            if (!hooks || !alive_on(*hooks, guarded.ifindex)) uplinks.push_back(guarded.ifindex);
        attach_hooks(*state_, *document_, monitor_.topology(), uplinks);
        if (followed_ && hooks && !uplinks.empty()) measure(uplinks);
        news_.reset();
    }

    // How long those of UPLINKS were open that have their hook now and had not been seen as uplinks.
    void measure(const std::vector<int> &uplinks) {
        const auto now = Clock::now();
        const auto hooks = state_->uplink_hooks(Chains::skip);
        if (!hooks || !news_) return;
        bool any = false;
        for (const int ifindex : uplinks) {
            if (!alive_on(*hooks, ifindex) || !known_.insert(ifindex).second) continue;
            times_.add(std::chrono::duration_cast<std::chrono::microseconds>(now - *news_));
            any = true;
        }
        if (any) (void)state_->tell_windows(times_.windows());
    }

    void not_yet(const Error &error, bool tell) {
        built_.reset();
        if (tell) return again_later(error.message);
        not_before_ = Clock::now() + retry_;
    }

    void again_later(const std::string &trouble) {
        dirty_ = true;
        not_before_ = Clock::now() + retry_;
        retry_ = std::min(retry_ * 2, retry_longest);
        if (trouble != trouble_ && told_.trouble) told_.trouble(trouble);
        trouble_ = trouble;
    }

    // False: the end was asked for.
    bool wait() {
        auto until = next_look_;
        if (dirty_) until = std::min(until, not_before_);
        if (disturbed_) until = std::min(until, next_disturbed_);
        if (document_ && document_->trial && !trial_over_) {
            const std::uint64_t due = document_->trial->deadline_ns, now = boot_clock_ns();
            until = std::min(until, Clock::now() + std::chrono::nanoseconds(due > now ? due - now : 0));
        }
        const auto left = std::chrono::ceil<milliseconds>(until - Clock::now()).count();
        pollfd fds[] = {{signals_.get(), POLLIN, 0}, {monitor_.fd(), POLLIN, 0}};
        if (poll(fds, 2, static_cast<int>(std::max<std::int64_t>(left, 0))) <= 0) return true;
        if (fds[0].revents && !hear()) return false;
        if (fds[1].revents) take_in();
        return true;
    }

    bool hear() {
        signalfd_siginfo heard;
        while (read(signals_.get(), &heard, sizeof heard) == sizeof heard) {
            if (heard.ssi_signo != SIGHUP && heard.ssi_signo != SIGUSR1) return false;
            if (heard.ssi_signo == SIGHUP && told_.reload) told_.reload();
            front_.forget();
            document_.reset();
            dirty_ = true;
            not_before_ = {};
        }
        return true;
    }

    void take_in() {
        if (!news_) news_ = Clock::now();
        Result<bool> changed = monitor_.handle();
        if (!changed) {
            // What was missed is not known: begin again with a fresh subscription.
            Result<Monitor> again = Monitor::open();
            if (!again) {
                not_yet(again.error(), true);
                std::this_thread::sleep_for(retry_first); // the old one stays readable
                return;
            }
            monitor_ = *std::move(again);
            disturbed_ = true;
        }
        note_clsact_changes();
        if (changed && !*changed) return;
        dirty_ = true;
        hurry();
    }

    // Somebody may have taken our filters off; of links the kernel tells nothing.
    void note_clsact_changes() {
        const auto changes = monitor_.take_clsact_changes();
        if (!built_) { // a turn is due anyway, but perhaps not soon
            if (changes.lost || !changes.ifindexes.empty()) hurry();
            return;
        }
        const auto concerned = [&changes](int ifindex) { return changes.concern(ifindex); };
        disturbed_ = disturbed_ || std::ranges::any_of(built_->uplinks, concerned) ||
                     std::ranges::any_of(built_->tunnels, concerned);
    }

    const Site &site_;
    const FollowTold &told_;
    std::optional<State> state_; // none while the pinned one is half made
    Fd claim_;
    Monitor monitor_;
    Fd signals_;
    Identity directory_;
    std::pair<Identity, Identity> pinned_;

    std::optional<Document> document_, taken_off_;
    std::set<std::string> guards_seen_;
    bool gate_seen_ = false, followed_ = false; // a turn was whole
    std::string gate_trouble_, portal_ended_;
    std::optional<Built> built_; // what was committed last; none: unknown
    std::set<int> bare_,
        deaf_; // devices of BUILT on which no hook could be put, of the uplink's and --serve's
    std::uint32_t epoch_ = 0, seen_epoch_ = 0; // of BUILT; whoever committed it
    bool dirty_ = true, nothing_in_force_ = false, unusable_ = false, trial_over_ = false;
    Front front_;
    WindowTimes times_;
    std::set<int> known_;                   // uplinks that were there at the last commit, or are measured
    std::optional<Clock::time_point> news_; // when the first of what is not acted upon yet was read
    bool disturbed_ = false;                // in clsact something happened where a hook of ours may be
    Clock::time_point next_look_{}, next_hooks_{}, next_disturbed_{}, not_before_{};
    milliseconds retry_ = retry_first;
    std::string trouble_;
};

// Another build's, or of an attach that died. Whoever is at it has the time to end.
Result<bool> needs_mending(const Place &place) {
    const auto whole = [&place] {
        const Result<std::optional<State>> state = State::find(place);
        return state && *state && (*state)->epoch() != 0;
    };
    if (whole()) return false;
    const Result<Lock> lock = Lock::take(place, mend_lock_wait);
    if (!lock) return lock.error();
    return !whole() && any_state(place);
}

// The state to be followed.
Result<State> find_state(const Site &site, const FollowTold &told) {
    const Error nothing{Exit::not_attached, "nothing is attached in this network namespace: attach first"};
    Result<std::optional<State>> state = State::find(site.place);
    if (!state) return state.error(); // what may not be looked at is not nothing
    if (!any_state(site.place)) return nothing;
    if (told.mend) {
        const Result<bool> broken = needs_mending(site.place);
        if (!broken) return broken.error();
        if (*broken)
            if (Result<void> mended = told.mend(); !mended) return mended.error();
        state = State::find(site.place);
        if (!state) return state.error();
    }
    if (!*state) return any_state(site.place) ? failure(unusable_state) : nothing;
    return std::move(**state);
}

} // namespace

Result<void> follow(const Site &site, const FollowTold &told) {
    Result<Fd> signals = Signals::open();
    if (!signals) return signals.error();
    Result<State> state = find_state(site, told);
    if (!state) return state.error();
    Result<std::optional<Fd>> claim = state->claim_follower();
    if (!claim) return claim.error();
    if (!*claim && told.take_over) {
        if (Result<void> ended = state->end_follower(); !ended) return ended.error();
        claim = state->claim_follower();
        if (!claim) return claim.error();
    }
    if (!*claim) return Error{Exit::busy, "another follower keeps this network namespace current already"};
    Result<Monitor> monitor = Monitor::open();
    if (!monitor) return monitor.error();
    return Follower(site, told, *std::move(state), std::move(**claim), *std::move(monitor),
                    *std::move(signals))
        .run();
}

} // namespace lk
