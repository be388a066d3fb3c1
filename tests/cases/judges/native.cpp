// SPDX-License-Identifier: MIT
#include "cases/judges/native.h"

namespace lk {

NativeJudge::NativeJudge(const World &world) {
    std::uint32_t next_id = 1;
    const Encoded encoded = encode(world, next_id);
    device_ = encoded.device;
    const Rows &rows = encoded.rows;
    gw_ = encoded.table;
    for (std::size_t i = 0; i < rows.gw_net_keys.size(); ++i)
        gw_net_.put(rows.gw_net_keys[i], rows.gw_net_values[i]);
    for (std::size_t i = 0; i < rows.gw_port_keys.size(); ++i)
        gw_port_.put(rows.gw_port_keys[i], rows.gw_port_values[i]);
    for (std::size_t i = 0; i < rows.net_keys.size(); ++i)
        net_.put(rows.net_keys[i], rows.net_values[i]);
    for (std::size_t i = 0; i < rows.boot_keys.size(); ++i)
        boots_.put(rows.boot_keys[i], rows.boot_values[i]);
    for (const auto &key : rows.serve_keys)
        serves_.put(key);
    arrived_ = world.arrived;
}

Answer NativeJudge::judge(const Sender &sender, std::span<const std::uint8_t> frame, std::uint64_t now_ns) {
    lk_native_maps maps{};
    maps.self = this;
    maps.gw_rows = gw_.rows.data();
    maps.gw_places = static_cast<__u32>(gw_.rows.size());
    maps.gw_net = [](void *s, const lk_set_net *key) -> const lk_gw * {
        return static_cast<NativeJudge *>(s)->gw_net_.find(*key);
    };
    maps.gw_port = [](void *s, const lk_set_port *key) -> const __u32 * {
        return static_cast<NativeJudge *>(s)->gw_port_.find(*key);
    };
    maps.net = [](void *s, const lk_set_net *key) -> const __u32 * {
        return static_cast<NativeJudge *>(s)->net_.find(*key);
    };
    maps.boot = [](void *s, const lk_boot *key) -> const __u32 * {
        return static_cast<NativeJudge *>(s)->boots_.find(*key);
    };
    maps.serve = [](void *s, const lk_serve_net *key) -> const __u32 * {
        return static_cast<NativeJudge *>(s)->serves_.find(*key);
    };
    maps.bucket = [](void *s, __u32 index) -> void * {
        auto &bucket = static_cast<NativeJudge *>(s)->buckets_[index];
        bucket.resize((lk_native_bucket_bytes() + 7) / 8);
        return bucket.data();
    };
    maps.frag = [](void *s, const lk_frag_key *key) {
        return static_cast<NativeJudge *>(s)->frags_.find(*key);
    };
    maps.frag_put = [](void *s, const lk_frag_key *key, const lk_frag *value) {
        static_cast<NativeJudge *>(s)->frags_.put(*key, *value);
    };
    maps.now_ns = now_ns;
    buckets_.clear(); // they came in just now, whenever that is
    for (const auto &came : arrived_)
        lk_native_came(&maps, device_ ? &*device_ : nullptr, came.data(), static_cast<__u32>(came.size()));
    const lk_native_sender from{sender.vpn_daemon, sender.forwarded, sender.fwmark};
    const lk_native_answer answer = lk_native_judge(&maps, device_ ? &*device_ : nullptr, &from, frame.data(),
                                                    static_cast<__u32>(frame.size()));
    return {answer.verdict, answer.reason};
}

} // namespace lk
