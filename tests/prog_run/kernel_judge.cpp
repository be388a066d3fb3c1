// SPDX-License-Identifier: MIT
#include "prog_run/kernel_judge.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <stdexcept>
#include <vector>

#include "judge.skel.h"
#include "serve.skel.h"
#include "uplink.skel.h"
#include "uplink_exact.skel.h"

namespace lk {

namespace {

constexpr __u32 loopback_ifindex = 1;
constexpr std::uint8_t table_bits = 12; // room for the gateways of any case
constexpr std::size_t least_frame = 15, largest_frame = 3000;

void must(int error, const char *what) {
    if (error)
        throw std::runtime_error(fmt::format("{}: {}", what, std::strerror(error < 0 ? -error : errno)));
}

template <typename Key, typename Value>
void put_all(int map, const std::vector<Key> &keys, const std::vector<Value> &values) {
    for (std::size_t i = 0; i < keys.size(); ++i)
        must(bpf_map_update_elem(map, &keys[i], &values[i], BPF_ANY), "a row could not be written");
}

template <typename Key>
void erase_all(int map, const std::vector<Key> &keys) {
    for (const Key &key : keys)
        bpf_map_delete_elem(map, &key);
}

// Over the maps that BESIDE has loaded; null and errno if the kernel does not take it.
bpf_object *load_beside(bpf_object *beside, const void *bytes, std::size_t size,
                        const char *name = "lk_uplink") {
    LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = name);
    bpf_object *object = bpf_object__open_mem(bytes, size, &options);
    if (!object) must(-errno, "the uplink's object could not be opened");
    bpf_map *map = nullptr;
    bpf_object__for_each_map(map, object) {
        bpf_map *same = bpf_object__find_map_by_name(beside, bpf_map__name(map));
        if (same) must(bpf_map__reuse_fd(map, bpf_map__fd(same)), "a map could not be shared");
    }
    if (bpf_object__load(object) == 0) return object;
    const int number = errno;
    bpf_object__close(object);
    errno = number;
    return nullptr;
}

} // namespace

struct KernelJudge::Object {
    lk_judge *judge = nullptr;
    bpf_object *uplink = nullptr; // the production object, over the same maps
    bpf_object *serve = nullptr;  // likewise
    int egress = -1, came = -1;
    ~Object() {
        bpf_object__close(serve);
        bpf_object__close(uplink);
        lk_judge__destroy(judge);
        if (gw_table >= 0) ::close(gw_table);
    }
    std::vector<lk_count> counters;
    int gw_table = -1;
};

KernelJudge::KernelJudge() : object_(std::make_unique<Object>()) {
    object_->judge = lk_judge__open();
    if (!object_->judge) must(-errno, "the test object could not be opened");
    must(lk_judge__load(object_->judge), "the test object could not be loaded");
    // As the loader does it: the exact variant where the kernel takes it.
    std::size_t size = 0;
    const void *exact = lk_uplink_exact__elf_bytes(&size);
    object_->uplink = load_beside(object_->judge->obj, exact, size);
    if (!object_->uplink) {
        const void *plain = lk_uplink__elf_bytes(&size);
        object_->uplink = load_beside(object_->judge->obj, plain, size);
    }
    must(object_->uplink ? 0 : -errno, "the uplink's object could not be loaded");
    object_->egress = bpf_program__fd(bpf_object__find_program_by_name(object_->uplink, "lk_egress"));
    const void *serve = lk_serve__elf_bytes(&size);
    object_->serve = load_beside(object_->judge->obj, serve, size, "lk_serve");
    must(object_->serve ? 0 : -errno, "the object of services could not be loaded");
    object_->came = bpf_program__fd(bpf_object__find_program_by_name(object_->serve, "lk_serve_in"));
    // One table for all cases, rewritten in place: nothing runs meanwhile, and putting in another one would
    // wait for RCU each time.
    LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_INNER_MAP);
    object_->gw_table = bpf_map_create(BPF_MAP_TYPE_ARRAY, "lk_gw_table", sizeof(__u32), sizeof(lk_gw_row),
                                       LK_GW_PLACES(table_bits), &options);
    must(object_->gw_table < 0, "the table of gateways could not be made");
    const __u32 zero = 0;
    must(bpf_map_update_elem(bpf_map__fd(object_->judge->maps.lk_gw), &zero, &object_->gw_table, BPF_ANY),
         "the table of gateways could not be put in");
    object_->counters.resize(static_cast<std::size_t>(libbpf_num_possible_cpus()));
}

KernelJudge::~KernelJudge() = default;

void KernelJudge::put_device(const lk_dev *device) {
    lk_dev record{};
    if (device) record = *device;
    if (record.policy.portal_until_ns) {
        timespec now{};
        clock_gettime(CLOCK_BOOTTIME, &now);
        record.policy.portal_until_ns +=
            static_cast<__u64>(now.tv_sec) * 1'000'000'000 + static_cast<__u64>(now.tv_nsec) - clock_ns_;
    }
    const __u32 slot = (epoch_ & 1) * LK_DEV_SLOTS + loopback_ifindex;
    must(bpf_map_update_elem(bpf_map__fd(object_->judge->maps.lk_devs), &slot, &record, BPF_ANY),
         "the device's record could not be written");
}

void KernelJudge::set_epoch(std::uint32_t epoch) {
    const __u32 zero = 0;
    const lk_word word{epoch, LK_ABI_VERSION};
    must(bpf_map_update_elem(bpf_map__fd(object_->judge->maps.lk_word), &zero, &word, BPF_ANY),
         "the word could not be written");
}

void KernelJudge::put_table(const GatewayTable &table) {
    must(table.bits > table_bits ? -E2BIG : 0, "too many gateways for one case");
    const lk_gw_row free{};
    for (__u32 place = 0; place < std::max(table.rows.size(), table_.rows.size()); ++place) {
        const auto &row = place < table.rows.size() ? table.rows[place] : free;
        const auto &old = place < table_.rows.size() ? table_.rows[place] : free;
        if (std::memcmp(&row, &old, sizeof row) != 0)
            must(bpf_map_update_elem(object_->gw_table, &place, &row, BPF_ANY),
                 "a gateway could not be written");
    }
    table_ = table;
}

void KernelJudge::use(const World &world) {
    const auto &maps = object_->judge->maps;
    const Rows old = std::move(rows_);
    Encoded encoded = encode(world, next_id_);
    rows_ = std::move(encoded.rows);
    device_ = encoded.device;
    ++epoch_;
    clock_ns_ = 1;
    put_table(encoded.table);
    put_all(bpf_map__fd(maps.lk_gw_net), rows_.gw_net_keys, rows_.gw_net_values);
    put_all(bpf_map__fd(maps.lk_gw_port), rows_.gw_port_keys, rows_.gw_port_values);
    put_all(bpf_map__fd(maps.lk_net), rows_.net_keys, rows_.net_values);
    put_all(bpf_map__fd(maps.lk_boots), rows_.boot_keys, rows_.boot_values);
    put_all(bpf_map__fd(maps.lk_serves), rows_.serve_keys, rows_.serve_values);
    arrived_ = world.arrived;
    if (device_) {
        device_->epoch = epoch_;
        device_->ifindex = loopback_ifindex;
    }
    put_device(device_ ? &*device_ : nullptr);
    set_epoch(epoch_);
    erase_all(bpf_map__fd(maps.lk_gw_net), old.gw_net_keys);
    erase_all(bpf_map__fd(maps.lk_gw_port), old.gw_port_keys);
    erase_all(bpf_map__fd(maps.lk_net), old.net_keys);
    erase_all(bpf_map__fd(maps.lk_boots), old.boot_keys);
    erase_all(bpf_map__fd(maps.lk_serves), old.serve_keys);
    forget_fragments();
}

void KernelJudge::change_record(void (*change)(lk_dev &)) {
    lk_dev device = device_.value();
    change(device);
    put_device(&device);
}

// They came in just now, whenever that is; the buckets that they were in before are emptied.
void KernelJudge::arrive() {
    const int buckets = bpf_map__fd(object_->judge->maps.lk_serve);
    const std::vector<char> empty(bpf_map__value_size(object_->judge->maps.lk_serve));
    if (!arrived_.empty() || buckets_used_)
        for (__u32 index = 0; index < 2 * LK_SERVE_BUCKETS; ++index)
            bpf_map_update_elem(buckets, &index, empty.data(), BPF_ANY);
    buckets_used_ = !arrived_.empty();
    for (const auto &frame : arrived_)
        run(object_->came, {}, frame);
}

std::optional<int> KernelJudge::run(int program_fd, const Sender &sender,
                                    std::span<const std::uint8_t> frame) {
    if (frame.size() < least_frame || frame.size() > largest_frame) return std::nullopt;
    __sk_buff context{};
    context.ifindex = loopback_ifindex;
    context.mark = sender.fwmark;
    context.cb[0] = sender.vpn_daemon;
    context.cb[1] = sender.forwarded;
    context.cb[2] = sender.fwmark;
    LIBBPF_OPTS(bpf_test_run_opts, options);
    options.data_in = frame.data();
    options.data_size_in = static_cast<__u32>(frame.size());
    options.ctx_in = &context;
    options.ctx_size_in = sizeof context;
    options.repeat = 1;
    const int error = bpf_prog_test_run_opts(program_fd, &options);
    // Newer kernels refuse frames whose type says IP and that hold no IP header (tagged and L3 ones they
    // take).
    if (error == -EINVAL && frame.size() < 14 + 40) return std::nullopt;
    must(error, "BPF_PROG_TEST_RUN");
    return static_cast<int>(options.retval);
}

std::optional<Answer> KernelJudge::judge(const Sender &sender, std::span<const std::uint8_t> frame) {
    const auto code = run(bpf_program__fd(object_->judge->progs.lk_judge), sender, frame);
    if (!code) return std::nullopt;
    return Answer{static_cast<lk_verdict>(*code >> 8), static_cast<lk_reason>(*code & 0xff)};
}

std::optional<KernelJudge::Egress> KernelJudge::egress(const Sender &sender,
                                                       std::span<const std::uint8_t> frame) {
    const int counts = bpf_map__fd(object_->judge->maps.lk_counts);
    const auto packets = [&] {
        std::vector<std::uint64_t> out;
        for (__u32 reason = 0; reason < LK_REASONS; ++reason) {
            const __u32 index = __u32{LK_HOOK_UPLINK} * __u32{LK_REASONS} + reason;
            must(bpf_map_lookup_elem(counts, &index, object_->counters.data()),
                 "a counter could not be read");
            std::uint64_t sum = 0;
            for (const lk_count &c : object_->counters)
                sum += c.packets;
            out.push_back(sum);
        }
        return out;
    };
    const auto before = packets();
    const auto code = run(object_->egress, sender, frame);
    if (!code) return std::nullopt;
    Egress out{*code, std::nullopt};
    const auto after = packets();
    std::uint64_t moved = 0;
    for (int reason = 0; reason < LK_REASONS; ++reason) {
        const auto at = static_cast<std::size_t>(reason);
        moved += after[at] - before[at];
        if (after[at] != before[at]) out.reason = reason;
    }
    if (moved != 1) out.reason.reset();
    return out;
}

void KernelJudge::forget_fragments() {
    const int frags = bpf_map__fd(object_->judge->maps.lk_frags);
    lk_frag_key key{};
    while (bpf_map_get_next_key(frags, nullptr, &key) == 0)
        bpf_map_delete_elem(frags, &key);
    arrive();
    if (device_ && device_->policy.portal_until_ns) put_device(&*device_); // both clocks agree again
}

void KernelJudge::age_fragments(std::uint64_t ns) {
    clock_ns_ += ns;
    if (device_ && device_->policy.portal_until_ns) put_device(&*device_);
    const int frags = bpf_map__fd(object_->judge->maps.lk_frags);
    // All keys first: writing an entry of this kind of map moves it to the head of its bucket, and a walk
    // that writes as it goes may meet two of one bucket in turn for ever.
    std::vector<lk_frag_key> keys;
    lk_frag_key next{};
    while (bpf_map_get_next_key(frags, keys.empty() ? nullptr : &keys.back(), &next) == 0)
        keys.push_back(next);
    for (const lk_frag_key &key : keys) {
        lk_frag value{};
        if (bpf_map_lookup_elem(frags, &key, &value) != 0) continue;
        value.expires_ns -= ns;
        bpf_map_update_elem(frags, &key, &value, BPF_EXIST);
    }
}

} // namespace lk
