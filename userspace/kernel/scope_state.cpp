// SPDX-License-Identifier: MIT
#include "kernel/scope_state.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "kernel/cgroup_links.h"
#include "kernel/grace.h"
#include "kernel/removal.h"
#include "kernel/scope_links.h"
#include "kernel/scope_maps.h"
#include "kernel/scope_tokens.h"
#include "kernel/socket_cgroups.h"
#include "kernel/vpn_netns.h"

namespace lk {

namespace {

// In the order in which they are attached: those that stop packets and know their sockets come first.
const std::array scope_hooks{
    CgroupHookKind{"egress", "lk_scope_egress", BPF_CGROUP_INET_EGRESS},
    CgroupHookKind{"sock_create", "lk_scope_create", BPF_CGROUP_INET_SOCK_CREATE},
    // Before those that they hide:
    CgroupHookKind{"getpeername4", "lk_scope_peer4", BPF_CGROUP_INET4_GETPEERNAME},
    CgroupHookKind{"getpeername6", "lk_scope_peer6", BPF_CGROUP_INET6_GETPEERNAME},
    CgroupHookKind{"recvmsg4", "lk_scope_recv4", BPF_CGROUP_UDP4_RECVMSG},
    CgroupHookKind{"recvmsg6", "lk_scope_recv6", BPF_CGROUP_UDP6_RECVMSG},
    CgroupHookKind{"sendmsg4", "lk_scope_send4", BPF_CGROUP_UDP4_SENDMSG},
    CgroupHookKind{"sendmsg6", "lk_scope_send6", BPF_CGROUP_UDP6_SENDMSG},
    CgroupHookKind{"connect4", "lk_scope_conn4", BPF_CGROUP_INET4_CONNECT},
    CgroupHookKind{"connect6", "lk_scope_conn6", BPF_CGROUP_INET6_CONNECT},
};

constexpr std::string_view directory_prefix = "cgroups-";

// The text of a row: where the cgroup was, the ids of those above it and its own, and what was asked for.
std::string place_text(const ScopeCgroup &cgroup) {
    return fmt::format("{}\n{}\n", cgroup.path, fmt::join(cgroup.above, " "));
}

std::string text_of(const ScopeCgroup &cgroup, const Policy &policy) {
    return place_text(cgroup) + to_json(Document{{Scope{{}, true, {}, policy}}});
}

std::uint64_t digest_of(const std::string &text) {
    return digest_of(EmbeddedObject{"", {reinterpret_cast<const std::uint8_t *>(text.data()), text.size()}});
}

ScopeEntry entry_of(std::uint64_t cgroup_id, const lk_scope_row &row, const std::string &text) {
    ScopeEntry entry;
    std::istringstream lines(text); // no cgroup's name has a newline
    std::string path, ids, policy;
    std::getline(std::getline(std::getline(lines, path), ids), policy, '\0');
    entry.cgroup = {cgroup_id, row.level, path, {}};
    std::istringstream numbers(ids);
    for (std::uint64_t id = 0; numbers >> id;)
        entry.cgroup.above.push_back(id);
    entry.gone = row.slot == LK_SCOPE_DENY;
    if (policy.empty()) return entry;
    if (auto document = document_from_json(policy); document && document->scopes.size() == 1)
        entry.policy = std::move(document->scopes.front().policy);
    return entry;
}

// Rows of POLICY, whose ids begin with FIRST; NEXT becomes the id behind them.
Rows rows_of(const ScopeImage &image, std::uint32_t first, std::uint32_t &next) {
    next = first + 1;
    Rows rows;
    rows.add(image.gateways, first, [&next] { return next++; });
    rows.add(image.nets, first);
    return rows;
}

// The nearest cgroup above this one that is still the same: another may be there by its name.
std::filesystem::path nearest_above(const std::filesystem::path &root, const ScopeCgroup &cgroup) {
    auto nearest = root, at = root;
    std::size_t level = 0;
    for (const auto &part : std::filesystem::path(cgroup.path)) {
        at /= part;
        struct stat st {};
        if (level >= cgroup.above.size() || ::stat(at.c_str(), &st) != 0 || st.st_ino != cgroup.above[level])
            break;
        nearest = at;
        ++level;
    }
    return nearest;
}

// The kernel counts a removed cgroup a moment after its directory is gone, under the mutex that this takes.
bool await_removals(const std::string &root) {
    const Fd cgroup{::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    __u32 flags = 0, count = 0;
    return cgroup && bpf_prog_query(cgroup.get(), BPF_CGROUP_INET_EGRESS, 0, &flags, nullptr, &count) == 0;
}

// Of a cgroup that is gone and has no token: unless nothing holds a removed one there, one of its sockets may
// be left.
bool may_have_sockets(const std::string &root, const ScopeCgroup &cgroup) {
    if (!await_removals(root)) return true;
    std::ifstream file(nearest_above(root, cgroup) / "cgroup.stat");
    std::string name;
    std::uint64_t count = 0;
    while (file >> name >> count)
        if (name == "nr_dying_descendants") return count != 0;
    return true;
}

} // namespace

std::string ScopePlace::directory() const {
    return fmt::format("{}/{}/{}{}-v{}", bpffs, root_name, directory_prefix, root_id, LK_SCOPE_ABI);
}

std::vector<std::string> ScopeState::directories(const std::string &bpffs) {
    const auto root = fmt::format("{}/{}", bpffs, root_name);
    std::vector<std::string> all;
    for (const auto &name : list_directory(root))
        if (name.starts_with(directory_prefix)) all.push_back(root + "/" + name);
    return all;
}

Result<Lock> lock_scopes(const ScopePlace &place, std::chrono::milliseconds timeout) {
    return lock_scopes(place.bpffs, place.directory(), timeout);
}

Result<Lock> lock_scopes(const std::string &bpffs, const std::string &directory,
                         std::chrono::milliseconds timeout) {
    return Lock::take(bpffs, directory, "the policies of cgroups", timeout);
}

namespace {

// A record and its text that is no row's any more.
struct Leaving {
    std::uint64_t cgroup_id = 0;
    std::uint32_t slot = 0;
    std::string text;
};

Error no_grace() {
    return unsupported(
        "this kernel offers no way to wait for running BPF programs (membarrier and maps of maps "
        "both failed), so no policy can be replaced safely");
}

} // namespace

struct ScopeState::Impl {
    ScopePlace place;
    Pins pins;
    ScopeMaps maps;
    Programs programs;
    ScopeTokens tokens{pins};

    Result<void> begin() const;
    Result<void> move_on(bool unfinished) const;
    Result<std::uint32_t> free_slot() const;
    Result<bool> let_go(const std::vector<Leaving> &leaving) const;
    Result<void> bury(const std::vector<std::uint64_t> &cgroup_ids) const;
    // Of a cgroup that has a row: it is there or one of its sockets may be; the same, and its record is
    // needed for others; nothing that its policy could be for.
    enum class Rest { lives, crowds, none };
    Rest rest_of(std::uint64_t cgroup_id) const;
};

ScopeState::ScopeState(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ScopeState::ScopeState(ScopeState &&) noexcept = default;
ScopeState &ScopeState::operator=(ScopeState &&) noexcept = default;
ScopeState::~ScopeState() = default;

// Before anything is changed: what another change left behind is cleared away, when no program can use it.
Result<void> ScopeState::Impl::begin() const {
    auto state = maps.state();
    const bool dirty = state.unfinished != 0;
    state.unfinished = 1;
    if (dirty) state.generation = std::max(state.generation + 1, 1u);
    if (auto put = maps.word.put(0, state); !put) return put;
    if (!dirty) return {};
    if (!wait_grace_period()) return no_grace();
    if (auto swept = maps.sweep(); !swept) return swept;
    return tokens.keep_only([this](std::uint64_t id) {
        lk_scope_row row{};
        return maps.rows.lookup(id, row);
    });
}

// Sockets look again from now on.
Result<void> ScopeState::Impl::move_on(bool unfinished) const {
    auto state = maps.state();
    state.generation = std::max(state.generation + 1, 1u);
    state.unfinished = unfinished ? 1 : 0;
    return maps.word.put(0, state);
}

Result<std::uint32_t> ScopeState::Impl::free_slot() const {
    const auto first = maps.state().next_slot;
    for (std::uint32_t tried = 0; tried < LK_SCOPES; ++tried) {
        const auto slot = (first + tried) % LK_SCOPES;
        lk_scope scope{};
        if (slot != LK_SCOPE_NONE && maps.scopes.lookup(slot, scope) && scope.cgroup_id == 0) return slot;
    }
    return failure(
        fmt::format("{} cgroups have a policy, and there is no room for more: detach some", LK_SCOPES - 1));
}

// Records that no row names any more, with their rows. Waits until nobody uses them. True: rows are left that
// only a sweep finds.
Result<bool> ScopeState::Impl::let_go(const std::vector<Leaving> &leaving) const {
    std::vector<std::pair<const Leaving *, lk_scope>> records;
    for (const Leaving &each : leaving) {
        lk_scope scope{};
        if (each.slot != LK_SCOPE_DENY && maps.scopes.lookup(each.slot, scope) &&
            scope.cgroup_id == each.cgroup_id)
            records.emplace_back(&each, scope);
    }
    if (records.empty()) return false;
    if (!wait_grace_period()) return no_grace();
    bool left = false;
    for (const auto &[each, scope] : records) {
        // A text that is another policy's says nothing of this one's rows: the sweep finds them.
        const bool torn = scope.text_digest != digest_of(each->text);
        left |= torn;
        const auto old = entry_of(each->cgroup_id, {each->slot, 0}, each->text);
        std::uint32_t next = 0;
        if (!torn)
            if (auto erased = maps.erase_rows(rows_of(build_scope(old.policy), scope.id, next)); !erased)
                return erased.error();
        if (auto put = maps.scopes.put(each->slot, lk_scope{}); !put) return put.error();
    }
    auto state = maps.state();
    state.used -= static_cast<__u32>(std::min<std::size_t>(records.size(), state.used));
    if (auto put = maps.word.put(0, state); !put) return put.error();
    return left;
}

Result<void> ScopeState::put(const ScopeCgroup &cgroup, const Policy &policy) {
    const auto &maps = impl_->maps;
    const auto directory = std::filesystem::path(impl_->place.cgroup_root) / cgroup.path;
    const auto vpn_netns = policy.vpn_users.empty() ? 0 : netns_of_processes(directory);
    if (!vpn_netns) return vpn_netns.error();
    lk_scope_row old_row{};
    const bool replaces = maps.rows.lookup(cgroup.id, old_row);
    const auto old_text = replaces ? maps.text(cgroup.id) : "";
    const auto text = text_of(cgroup, policy);
    lk_scope scope{};
    const bool same = replaces && maps.scopes.lookup(old_row.slot, scope) && scope.cgroup_id == cgroup.id &&
                      scope.text_digest == digest_of(text) && scope.vpn_netns == *vpn_netns;
    // Then no socket needs to look again.
    if (same && old_text == text && maps.state().unfinished == 0) return {};
    if (auto begun = impl_->begin(); !begun) return begun;
    if (same) { // only its text may be of another one, if somebody died between the two
        if (auto put = maps.write_text(cgroup.id, text); !put) return put;
        return impl_->move_on(false);
    }
    impl_->tokens.put(impl_->place.cgroup_root, cgroup.path, cgroup.id);
    const auto slot = impl_->free_slot();
    if (!slot) return slot.error();

    const auto image = build_scope(policy);
    auto state = maps.state();
    scope = lk_scope{};
    scope.cgroup_id = cgroup.id;
    scope.text_digest = digest_of(text);
    scope.id = std::max(state.next_id, 1u);
    scope.policy = image.policy;
    scope.policy.gw_set = scope.id;
    scope.error = -policy.refusal.number;
    scope.vpn_netns = *vpn_netns;
    scope.n_lan = image.nets.empty() ? static_cast<__u32>(image.lan.size()) : LK_SCOPE_PREFIXES + 1;
    std::ranges::copy(image.lan, scope.lan);
    const Rows rows = rows_of(image, scope.id, state.next_id);
    if (state.next_id < scope.id) return failure("the ids of row sets are used up: detach all cgroups");
    scope.n_ids = state.next_id - scope.id;
    state.next_slot = (*slot + 1) % LK_SCOPES;
    ++state.used;
    // The ids are spent before the first row is written, so that no crash makes anybody use them again.
    if (auto put = maps.word.put(0, state); !put) return put;
    if (auto put = maps.write_rows(rows); !put) return put;
    if (auto put = maps.scopes.put(*slot, scope); !put) return put;
    if (auto put = maps.rows.put(cgroup.id, {*slot, cgroup.level}); !put) {
        auto error = put.error();
        error.message += fmt::format("; the table of cgroups has {} places, and those of removed cgroups are "
                                     "free again when the kernel has let go of them",
                                     LK_SCOPE_ROWS);
        return error;
    }
    if (auto moved = impl_->move_on(true); !moved) return moved;
    Result<bool> left = false;
    if (replaces) left = impl_->let_go({{cgroup.id, old_row.slot, old_text}});
    if (!left) return left.error();
    if (auto put = maps.write_text(cgroup.id, text); !put) return put;
    return impl_->move_on(*left);
}

Result<void> ScopeState::remove(const std::vector<std::uint64_t> &cgroup_ids) {
    const auto &maps = impl_->maps;
    std::vector<Leaving> leaving;
    std::vector<__u64> keys;
    for (const auto id : cgroup_ids) {
        lk_scope_row row{};
        if (!maps.rows.lookup(id, row)) continue;
        leaving.push_back({id, row.slot, maps.text(id)});
        keys.push_back(id);
    }
    if (leaving.empty()) return {};
    if (auto begun = impl_->begin(); !begun) return begun;
    if (auto erased = maps.rows.erase_all(keys); !erased) return erased;
    if (auto moved = impl_->move_on(true); !moved) return moved;
    const auto left = impl_->let_go(leaving);
    if (!left) return left.error();
    for (const auto id : keys) {
        if (auto erased = maps.erase_text(id); !erased) return erased;
        if (auto removed = impl_->tokens.remove(id); !removed) return removed;
    }
    return impl_->move_on(*left);
}

// What is left of their sockets gets nothing out any more.
Result<void> ScopeState::Impl::bury(const std::vector<std::uint64_t> &cgroup_ids) const {
    if (cgroup_ids.empty()) return {};
    std::vector<Leaving> leaving;
    if (auto begun = begin(); !begun) return begun;
    for (const auto id : cgroup_ids) {
        lk_scope_row row{};
        if (!maps.rows.lookup(id, row)) continue;
        leaving.push_back({id, row.slot, maps.text(id)});
        if (auto put = maps.rows.put(id, {LK_SCOPE_DENY, row.level}); !put) return put;
    }
    if (auto moved = move_on(true); !moved) return moved;
    const auto left = let_go(leaving);
    if (!left) return left.error();
    for (const Leaving &each : leaving) { // its place stays
        const auto cgroup = entry_of(each.cgroup_id, {}, each.text).cgroup;
        if (auto put = maps.write_text(each.cgroup_id, place_text(cgroup)); !put) return put;
    }
    return move_on(*left);
}

ScopeState::Impl::Rest ScopeState::Impl::rest_of(std::uint64_t cgroup_id) const {
    lk_scope_row row{};
    if (!maps.rows.lookup(cgroup_id, row)) return Rest::none;
    if (!cgroup_is_gone(place.cgroup_root, cgroup_id)) return Rest::lives;
    const auto told = tokens.spent(cgroup_id);
    const auto entry = entry_of(cgroup_id, row, maps.text(cgroup_id));
    if (told ? *told : !may_have_sockets(place.cgroup_root, entry.cgroup)) return Rest::none;
    return row.slot != LK_SCOPE_DENY && maps.state().used > LK_SCOPES / 2 ? Rest::crowds : Rest::lives;
}

bool ScopeState::is_needed(std::uint64_t cgroup_id) const {
    return impl_->rest_of(cgroup_id) != Impl::Rest::none;
}

Result<void> ScopeState::tidy_one(std::uint64_t cgroup_id) {
    return is_needed(cgroup_id) ? Result<void>() : remove({cgroup_id});
}

Result<void> ScopeState::tidy(std::size_t count) {
    const auto &maps = impl_->maps;
    auto at = maps.state().tidied;
    std::vector<std::uint64_t> spent, crowding;
    for (std::size_t i = 0; i < count; ++i) {
        __u64 next = 0;
        if (bpf_map_get_next_key(maps.rows.fd(), &at, &next) != 0) next = 0; // the end: from the beginning
        at = next;
        if (next == 0) break;
        const auto rest = impl_->rest_of(next);
        if (rest == Impl::Rest::none) spent.push_back(next);
        if (rest == Impl::Rest::crowds) crowding.push_back(next);
    }
    if (auto removed = remove(spent); !removed) return removed;
    if (auto buried = impl_->bury(crowding); !buried) return buried;
    auto state = maps.state();
    state.tidied = at;
    return maps.word.put(0, state);
}

Result<std::optional<ScopeState>> ScopeState::find(const ScopePlace &place) {
    const Pins pins{place.directory()};
    auto maps = ScopeMaps::open(pins.maps());
    if (!maps && list_directory(pins.links()).empty())
        return std::optional<ScopeState>{}; // it is not there, or was never whole
    if (!maps) return maps.error();
    return std::optional<ScopeState>{
        ScopeState{std::make_unique<Impl>(Impl{place, pins, *std::move(maps), {}})}};
}

namespace {

Result<Programs> open_scope_programs(const std::string &directory) {
    Programs programs;
    for (const auto &hook : scope_hooks) {
        const auto path = fmt::format("{}/{}", directory, hook.program);
        auto opened = open_pin(path);
        if (opened.error != 0) return system_error("cannot open " + path, opened.error);
        const auto info = program_info(opened.fd.get());
        if (!info || info->name != hook.program) return failure(path + " is not our program");
        programs.insert_or_assign(hook.program, Program{std::move(opened.fd), info->id});
    }
    return programs;
}

} // namespace

Result<ScopeState> ScopeState::open_or_create(const ScopePlace &place) {
    if (auto known = check_socket_cgroups(); !known) return known.error();
    const Pins pins{place.directory()};
    const auto programs_dir = fmt::format("{}/{}", pins.dir, scope_programs_name());
    auto programs = open_scope_programs(programs_dir);
    if (!programs) {
        if (auto removed = remove_tree(programs_dir); !removed) return removed.error();
        for (const auto &directory : {pins.maps(), programs_dir, pins.links()})
            if (auto made = make_directory(directory); !made) return made.error();
        if (auto loaded = load_and_pin(scope_object(), pins, programs_dir); !loaded) {
            auto error = loaded.error();
            error.message += "; policies of cgroups need a kernel with BTF (CONFIG_DEBUG_INFO_BTF)";
            return error;
        }
        programs = open_scope_programs(programs_dir);
        if (!programs) return programs.error();
    }
    auto maps = ScopeMaps::open(pins.maps());
    if (!maps) return maps.error();
    return ScopeState{std::make_unique<Impl>(Impl{place, pins, *std::move(maps), *std::move(programs)})};
}

Result<void> ScopeState::attach_hooks() {
    const auto &root = impl_->place.cgroup_root;
    const Fd cgroup{::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!cgroup) return system_error(fmt::format("cannot open the cgroup directory {}", root), errno);
    for (const auto &hook : scope_hooks)
        if (auto attached = attach_cgroup_link(impl_->pins.cgroup_link(hook.name),
                                               fmt::format("the hook {} of cgroups' policies", hook.name),
                                               impl_->programs.at(hook.program), cgroup.get(),
                                               impl_->place.root_id, hook.type);
            !attached)
            return attached;
    if (const auto dead = dead_hooks(); !dead.empty())
        return failure(
            fmt::format("the hook {} of cgroups' policies is not there after it was put on", dead[0]));
    // Those of other builds end when nothing is attached of them.
    for (const auto &name : list_directory(impl_->pins.dir))
        if (name.starts_with(scope_programs_prefix) && name != scope_programs_name())
            if (auto removed = remove_tree(impl_->pins.dir + "/" + name); !removed) return removed;
    return {};
}

std::vector<std::string> ScopeState::dead_hooks() const {
    std::vector<std::string> dead;
    for (const auto &hook : scope_hooks) {
        const auto link = pinned_cgroup_link(impl_->pins.cgroup_link(hook.name));
        if (!link || link->info.target != impl_->place.root_id) dead.emplace_back(hook.name);
    }
    return dead;
}

Result<std::optional<ScopeEntry>> ScopeState::entry(std::uint64_t cgroup_id) const {
    const auto &maps = impl_->maps;
    lk_scope_row row{};
    if (!maps.rows.lookup(cgroup_id, row)) return std::optional<ScopeEntry>{};
    const auto text = maps.text(cgroup_id);
    auto entry = entry_of(cgroup_id, row, text);
    const auto &root = impl_->place.cgroup_root;
    entry.gone = cgroup_is_gone(root, cgroup_id);
    if (entry.cgroup.path.empty()) // it was cut off before that was written
        entry.cgroup.path =
            std::filesystem::path(cgroup_path(root, cgroup_id)).lexically_relative(root).string();
    lk_scope scope{};
    entry.torn = row.slot != LK_SCOPE_DENY;
    if (entry.torn && maps.scopes.lookup(row.slot, scope) && scope.cgroup_id == cgroup_id) {
        entry.torn = scope.text_digest != digest_of(text);
        entry.refused_calls = scope.refused_calls;
        entry.refused_packets = scope.refused_packets;
        entry.queries = scope.queries;
    }
    return std::optional{std::move(entry)};
}

Result<std::vector<ScopeEntry>> ScopeState::entries() const {
    std::vector<std::uint64_t> ids;
    auto read =
        impl_->maps.rows.for_each([&](const __u64 &cgroup, const lk_scope_row &) { ids.push_back(cgroup); });
    if (!read) return read.error();
    std::vector<ScopeEntry> all;
    for (const auto id : ids) {
        auto one = entry(id);
        if (!one) return one.error();
        if (*one) all.push_back(**std::move(one));
    }
    std::ranges::sort(all, {}, [](const ScopeEntry &each) { return each.cgroup.path; });
    return all;
}

bool ScopeState::holds(std::uint64_t cgroup_id) const {
    lk_scope_row row{};
    return impl_->maps.rows.lookup(cgroup_id, row);
}

bool ScopeState::empty() const {
    __u64 first = 0;
    return bpf_map_get_next_key(impl_->maps.rows.fd(), nullptr, &first) != 0;
}

Result<void> ScopeState::remove_all(const std::string &directory) {
    const Pins pins{directory};
    const std::string last = "cgroup-egress";
    ScopeLinks::open_all(directory);
    Removal removal;
    for (const auto &name : list_directory(pins.links()))
        if (name != last) removal.end_links(pins.links(), name);
    removal.end_links(pins.links(), last);
    for (const auto &name : list_directory(directory))
        removal.remove_directory(directory + "/" + name);
    return removal.finish();
}

} // namespace lk
