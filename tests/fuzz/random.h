// SPDX-License-Identifier: MIT
// A small generator (splitmix64) whose numbers are the same on every machine, unlike those of <random>.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <iterator>

namespace lk::fuzz {

class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next() {
        std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }
    std::size_t below(std::size_t n) { return static_cast<std::size_t>(next() % n); }
    unsigned between(unsigned low, unsigned high) {
        return low + static_cast<unsigned>(below(high - low + 1));
    }
    std::uint8_t byte() { return static_cast<std::uint8_t>(next()); }
    bool chance(unsigned percent) { return below(100) < percent; }
    template <typename T>
    T pick(std::initializer_list<T> of) {
        return *std::next(of.begin(), static_cast<std::ptrdiff_t>(below(of.size())));
    }
    template <typename Container>
    const auto &any(const Container &of) {
        return of[below(of.size())];
    }

  private:
    std::uint64_t state_;
};

} // namespace lk::fuzz
