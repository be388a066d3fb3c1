// SPDX-License-Identifier: MIT
// libFuzzer: raw bytes to the native judge and the model, which must agree. Input: a byte that picks the
// world, then frames, each with its sender (1 byte) and its length (2 bytes, big endian).
#include <fmt/format.h>

#include <cstdlib>
#include <memory>
#include <vector>

#include "cases/cases.h"
#include "cases/judges/native.h"
#include "fuzz/model.h"
#include "fuzz/random_world.h"

namespace lk::fuzz {
namespace {

struct Judges {
    explicit Judges(const World &w) : world(w), model(w), native(w) {}
    World world;
    model::Model model;
    NativeJudge native;
};

Judges &judges_of(std::size_t number) {
    static std::vector<std::unique_ptr<Judges>> all(256);
    if (!all[number]) {
        Random random(number);
        all[number] = std::make_unique<Judges>(random_world(random));
    }
    all[number]->model.forget_fragments();
    all[number]->native.forget_fragments();
    return *all[number];
}

void judge(Judges &judges, std::uint8_t from, std::span<const std::uint8_t> frame) {
    Sender sender;
    sender.vpn_daemon = (from & 1) && !judges.world.policy.vpn_users.empty();
    sender.forwarded = (from & 2) && !sender.vpn_daemon;
    sender.fwmark = from & 4 ? 0x51 : from >> 3;
    const std::vector<std::uint8_t> exact(frame.begin(),
                                          frame.end()); // so that a read beyond the end is seen
    const Answer model = judges.model.judge(sender, exact, 1), native = judges.native.judge(sender, exact, 1);
    if (model == native) return;
    fmt::print(stderr, "model: {}\nnative: {}\nworld:{}\n{}\n", to_string(model), to_string(native),
               describe(judges.world), hexdump(exact));
    std::abort();
}

} // namespace
} // namespace lk::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    if (size == 0) return 0;
    lk::fuzz::Judges &judges = lk::fuzz::judges_of(data[0]);
    std::span<const std::uint8_t> rest(data + 1, size - 1);
    while (rest.size() >= 3) {
        const std::uint8_t from = rest[0];
        const std::size_t length = std::min<std::size_t>(rest[1] << 8 | rest[2], rest.size() - 3);
        lk::fuzz::judge(judges, from, rest.subspan(3, length));
        rest = rest.subspan(3 + length);
    }
    return 0;
}
