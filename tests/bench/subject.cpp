// SPDX-License-Identifier: MIT
#include "bench/subject.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <time.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <vector>

#include <fmt/format.h>

#include "base/fd.h"
#include "bench.skel.h"
#include "cases/judges/image.h"
#include "harness/must.h"
#include "kernel/objects.h"

namespace lk::bench {

using harness::must;

namespace {

constexpr __u32 loopback_ifindex = 1; // of a network namespace of our own: what a test run pretends to be on

int map_fd(const bpf_object *object, const char *name) {
    int fd = bpf_object__find_map_fd_by_name(object, name);
    if (fd < 0) throw std::runtime_error(fmt::format("the object has no map «{}»", name));
    return fd;
}

template <typename Key, typename Value>
void put_all(int map, const std::vector<Key> &keys, const std::vector<Value> &values) {
    for (std::size_t i = 0; i < keys.size(); i++)
        must(bpf_map_update_elem(map, &keys[i], &values[i], BPF_ANY) == 0, "a row could not be written");
}

bpf_object *open_object(const char *name, const std::string &path, std::span<const std::uint8_t> bytes) {
    LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = name);
    bpf_object *object = path.empty() ? bpf_object__open_mem(bytes.data(), bytes.size(), &options)
                                      : bpf_object__open_file(path.c_str(), &options);
    must(object != nullptr, path.empty() ? name : path);
    return object;
}

} // namespace

Subject::Subject(const World &world, unsigned policies, const std::string &path) {
    uplink_ = open_object("lk_uplink", path, embedded_objects()[0].bytes);
    must(bpf_object__load(uplink_) == 0, "the uplink's program could not be loaded");

    std::size_t size = 0;
    const auto *bytes = static_cast<const std::uint8_t *>(lk_bench__elf_bytes(&size));
    bench_ = open_object("lk_bench", "", {bytes, size});
    bpf_map *map = nullptr;
    bpf_object__for_each_map(map, bench_) {
        if (bpf_map *same = bpf_object__find_map_by_name(uplink_, bpf_map__name(map)))
            must(bpf_map__reuse_fd(map, bpf_map__fd(same)) == 0, "a map could not be shared");
    }
    must(bpf_object__load(bench_) == 0, "the bench's own programs could not be loaded");

    std::uint32_t next_id = 1;
    Encoded encoded = encode(world, next_id);
    const Rows &rows = encoded.rows;
    put_all(map_fd(uplink_, "lk_gw_net"), rows.gw_net_keys, rows.gw_net_values);
    put_all(map_fd(uplink_, "lk_gw_port"), rows.gw_port_keys, rows.gw_port_values);
    put_all(map_fd(uplink_, "lk_net"), rows.net_keys, rows.net_values);
    std::vector<lk_gw_row> gateways = rows.gw;
    for (unsigned policy = 1; policy < policies; policy++, next_id++)
        for (lk_gw_row row : rows.gw) {
            row.key.set = next_id;
            gateways.push_back(row);
        }
    rows_ = gateways.size();
    const GatewayTable table = lay_out(gateways).value();
    if (!table.rows.empty()) put_table(table);
    const __u32 epoch = 1, slot = LK_DEV_SLOTS + loopback_ifindex, zero = 0;
    if (encoded.device) {
        lk_dev device = *encoded.device;
        device.epoch = epoch;
        device.ifindex = loopback_ifindex;
        device.policy.gw_bits = table.bits;
        must(bpf_map_update_elem(map_fd(uplink_, "lk_devs"), &slot, &device, BPF_ANY) == 0, "lk_devs");
    }
    const lk_word word{epoch, LK_ABI_VERSION};
    must(bpf_map_update_elem(map_fd(uplink_, "lk_word"), &zero, &word, BPF_ANY) == 0, "lk_word");
    reason();
}

void Subject::put_table(const GatewayTable &table) const {
    LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_INNER_MAP);
    const Fd map{bpf_map_create(BPF_MAP_TYPE_ARRAY, "lk_gw_table", sizeof(__u32), sizeof(lk_gw_row),
                                static_cast<__u32>(table.rows.size()), &options)};
    must(static_cast<bool>(map), "the table of gateways could not be made");
    for (__u32 place = 0; place < table.rows.size(); place++)
        must(bpf_map_update_elem(map.get(), &place, &table.rows[place], BPF_ANY) == 0, "a gateway");
    const __u32 number = 0, fd = static_cast<__u32>(map.get());
    must(bpf_map_update_elem(map_fd(uplink_, "lk_gw"), &number, &fd, BPF_ANY) == 0, "lk_gw");
}

Subject::~Subject() {
    bpf_object__close(bench_);
    bpf_object__close(uplink_);
}

Subject::Run Subject::run_program(const char *name, bool empty, const Bytes &frame, unsigned repeat) const {
    const bpf_program *front = name ? bpf_object__find_program_by_name(bench_, name) : nullptr;
    const bpf_program *tested = empty ? bpf_object__find_program_by_name(bench_, "lk_empty")
                                      : bpf_object__find_program_by_name(uplink_, "lk_egress");
    must(tested && (front || !name), "a program is missing");
    if (front) {
        const __u32 zero = 0;
        const int fd = bpf_program__fd(tested);
        must(bpf_map_update_elem(map_fd(bench_, "lk_under_test"), &zero, &fd, BPF_ANY) == 0, "lk_under_test");
    }
    __sk_buff context{};
    context.ifindex = loopback_ifindex;
    LIBBPF_OPTS(bpf_test_run_opts, options);
    options.data_in = frame.data();
    options.data_size_in = static_cast<__u32>(frame.size());
    options.ctx_in = &context;
    options.ctx_size_in = sizeof(context);
    options.repeat = static_cast<int>(repeat);
    must(bpf_prog_test_run_opts(bpf_program__fd(front ? front : tested), &options) == 0, "BPF_PROG_TEST_RUN");
    return {static_cast<double>(options.duration), static_cast<int>(options.retval)};
}

static const char *front_name(Front front) {
    switch (front) {
    case Front::none: return nullptr;
    case Front::scattered: return "lk_scattered";
    case Front::marked: return "lk_marked";
    }
    return nullptr;
}

Subject::Run Subject::run(Front front, const Bytes &frame, unsigned repeat) const {
    return run_program(front_name(front), false, frame, repeat);
}

Subject::Run Subject::run_empty(Front front, const Bytes &frame, unsigned repeat) const {
    return run_program(front_name(front), true, frame, repeat);
}

void Subject::set_knobs(const lk_bench_knobs &knobs) const {
    const __u32 zero = 0;
    must(bpf_map_update_elem(map_fd(bench_, ".data"), &zero, &knobs, BPF_ANY) == 0, "the bench's knobs");
}

void Subject::exhaust_limits() const {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    lk_limit full{};
    full.window_start_ns = static_cast<__u64>(now.tv_sec) * 1'000'000'000 + static_cast<__u64>(now.tv_nsec);
    full.used = 1u << 30;
    const std::vector<lk_limit> all(static_cast<std::size_t>(libbpf_num_possible_cpus()), full);
    for (__u32 kind : {LK_LIMIT_RESET, LK_LIMIT_ICMP})
        must(bpf_map_update_elem(map_fd(uplink_, "lk_limits"), &kind, all.data(), BPF_ANY) == 0, "lk_limits");
}

int Subject::reason() const {
    std::vector<lk_count> values(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    int moved = -1;
    for (__u32 reason = 0; reason < LK_REASONS; reason++) {
        const __u32 index = __u32{LK_HOOK_UPLINK} * __u32{LK_REASONS} + reason;
        must(bpf_map_lookup_elem(map_fd(uplink_, "lk_counts"), &index, values.data()) == 0, "lk_counts");
        std::uint64_t sum = 0;
        for (const lk_count &value : values)
            sum += value.packets;
        if (sum != counts_[reason]) moved = static_cast<int>(reason);
        counts_[reason] = sum;
    }
    return moved;
}

} // namespace lk::bench
