// SPDX-License-Identifier: MIT
// Finding, adopting and creating the state of a network namespace.
#include "kernel/state.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>

#include "kernel/state_impl.h"
#include "kernel/sys.h"

namespace lk {

State::State(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
State::State(State &&) noexcept = default;
State &State::operator=(State &&) noexcept = default;
State::~State() = default;

Result<std::unique_ptr<State::Impl>> State::Impl::open(const Place &place) {
    const Pins pins{place.directory()};
    auto maps = KernelMaps::open(pins.maps());
    if (!maps) return maps.error();
    auto programs = open_programs(pins, maps->word.raw().id());
    if (!programs) return programs.error();
    return std::make_unique<Impl>(Impl{place, pins, std::move(*maps), std::move(*programs), {}});
}

Result<void> State::Impl::refresh() {
    const auto id_at = [](const std::string &path) {
        const auto opened = open_pin(path);
        const auto object = opened.error == 0 ? identify(opened.fd.get()) : std::nullopt;
        return object ? object->id : 0;
    };
    if (id_at(pins.maps() + "/lk_word") == maps.word.raw().id() &&
        id_at(pins.programs() + "/" + uplink_program) == program(uplink_program).id)
        return {};
    if (!path_exists(pins.programs()))
        return Error{
            Exit::not_attached,
            fmt::format("the filter of this network namespace was removed ({} is gone)", pins.programs())};
    auto again = open(place);
    if (!again) return again.error();
    *this = std::move(**again);
    return {};
}

Result<std::optional<State>> State::find(const Place &place) {
    struct stat st {};
    const auto programs = Pins{place.directory()}.programs();
    if (::lstat(programs.c_str(), &st) != 0) {
        if (errno == EACCES) return system_error("cannot look for " + programs, errno);
        return std::optional<State>{};
    }
    auto impl = Impl::open(place);
    if (!impl) {
        if (impl.error().exit == Exit::permission) return impl.error();
        return std::optional<State>{};
    }
    return std::optional<State>{State{std::move(*impl)}};
}

namespace {

// Maps that cannot be used go; if hooks are attached that judge by them, they judge on from a stale-
// directory, so that there is no moment without a filter. remove_others() ends them.
Result<void> clear_broken(const Pins &pins) {
    const std::vector<std::string> parts{pins.programs(), pins.new_programs(), pins.old_programs(),
                                         pins.maps(), pins.links()};
    if (list_directory(pins.links()).empty()) {
        for (const auto &part : parts)
            if (auto removed = remove_tree(part); !removed) return removed;
        return remove_other_documents(pins, 0);
    }
    const auto stale = pins.next_stale();
    if (auto made = make_directory(stale); !made) return made;
    for (const auto &part : parts)
        if (path_exists(part))
            if (auto moved = move_path(part, stale + part.substr(pins.dir.size())); !moved) return moved;
    return remove_other_documents(pins, 0);
}

} // namespace

Result<State> State::open_or_create(const Place &place) {
    const Pins pins{place.directory()};
    if (auto made = make_directory(pins.dir); !made) return made.error();
    if (auto impl = Impl::open(place); impl && programs_are_current(pins)) {
        if (auto made = make_directory(pins.links()); !made) return made.error();
        return State{std::move(*impl)};
    }
    const auto maps = KernelMaps::open(pins.maps());
    if (!maps && maps.error().exit == Exit::permission) return maps.error();
    if (!maps || !maps_suit_objects(pins)) {
        if (auto cleared = clear_broken(pins); !cleared) return cleared.error();
    }
    // Maps that fit stay, whatever became of the programs: the policy in them and the marks of sockets go on.
    if (auto loaded = load_programs(pins); !loaded) return loaded.error();
    auto impl = Impl::open(place);
    if (!impl) return impl.error();
    return State{std::move(*impl)};
}

Result<std::uint32_t> State::commit(const MapImage &image, const Document &document) {
    if (auto fresh = impl_->refresh(); !fresh) return fresh.error();
    return impl_->committer.commit(impl_->maps, impl_->pins, impl_->place.netns_cookie, image,
                                   to_json(document));
}

Result<Document> State::document() const {
    // A commit takes the document of the epoch before away; readers do not hold it up.
    constexpr int most_tries = 100;
    for (int tried = 1;; ++tried) {
        const auto in_force = epoch();
        if (in_force == 0) return Document{};
        auto json = read_document(impl_->pins, in_force);
        if (json) return document_from_json(*json);
        if (epoch() == in_force || tried == most_tries) return json.error();
    }
}

std::uint32_t State::epoch() const {
    return impl_->maps.epoch();
}

} // namespace lk
