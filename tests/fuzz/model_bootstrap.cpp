// SPDX-License-Identifier: MIT
// Row B: what the page calls exactly one query for one of the names.
#include <algorithm>
#include <string>

#include "fuzz/model.h"

namespace lk::model {

namespace {

using Labels = std::vector<std::string>;

std::string lower(std::string text) {
    for (char &c : text)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    return text;
}

Labels split(const std::string &name) {
    Labels out(1);
    for (const char c : name)
        if (c == '.')
            out.emplace_back();
        else
            out.back() += c;
    return out;
}

// Takes bytes from the front; after the end everything is wrong.
class Reader {
  public:
    explicit Reader(std::span<const std::uint8_t> bytes) : left_(bytes) {}
    unsigned u8() {
        if (left_.empty()) return good_ = false, 0;
        const unsigned value = left_[0];
        left_ = left_.subspan(1);
        return value;
    }
    unsigned u16() {
        const unsigned high = u8();
        return high << 8 | u8();
    }
    bool good() const { return good_; }
    bool ends_here() const { return good_ && left_.empty(); }

  private:
    std::span<const std::uint8_t> left_;
    bool good_ = true;
};

} // namespace

bool Model::row_b(const Packet &p) const {
    if (p.shape != Shape::whole || p.dressed || p.protocol != 17 || p.port != 53 || p.source_port == 0)
        return false;
    static const Net groups4 = net("224.0.0.0", 4), groups6 = net("ff00::", 8);
    for (const Ip &a : {p.source, p.destination})
        if (a == ip("0.0.0.0") || a == ip("::") || groups4.contains(a) || groups6.contains(a) ||
            a == ip("255.255.255.255"))
            return false;
    // The datagram is all that is left of the frame.
    Reader in(p.to_the_end_of_the_frame);
    in.u16(), in.u16();
    if (in.u16() != p.to_the_end_of_the_frame.size()) return false;
    in.u16();

    in.u16(); // the id
    const unsigned flags = in.u16();
    for (const unsigned bit : {15u, 14u, 13u, 12u, 11u, 10u, 9u, 7u, 6u, 3u, 2u, 1u, 0u})
        if (flags >> bit & 1) return false;
    if (in.u16() != 1 || in.u16() != 0 || in.u16() != 0) return false;
    const unsigned additional = in.u16();
    Labels asked;
    while (const unsigned length = in.u8()) {
        if (length > 63) return false;
        std::string label;
        for (unsigned i = 0; i < length; ++i)
            label += static_cast<char>(in.u8());
        if (!in.good()) return false;
        asked.push_back(lower(label));
    }
    const unsigned type = in.u16();
    if (type != 1 && type != 28 && type != 65) return false;
    if (in.u16() != 1) return false;
    if (additional == 1) {
        if (in.u8() != 0 || in.u16() != 41) return false;
        in.u16(); // how much the asker takes
        if (in.u16() != 0 || (in.u16() & 0x7fff) != 0) return false;
        if (in.u16() != 0) return false;
    } else if (additional != 0) {
        return false;
    }
    if (!in.ends_here()) return false;
    return std::any_of(world_.policy.bootstrap.begin(), world_.policy.bootstrap.end(),
                       [&](const BootstrapName &boot) {
                           return ip(boot.server) == p.destination && split(boot.name.str()) == asked;
                       });
}

} // namespace lk::model
