// SPDX-License-Identifier: MIT
// A value or an error, in the shape of std::expected (which g++ 12 does not have for C++20).
// A function returns an error or reports it, never both.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/exit_status.h"

namespace lk {

// What went wrong, as one sentence for people: what, the value, what was expected, what to do.
struct Error {
    Exit exit = Exit::failure;
    std::string message;
};

inline Error bad_input(std::string message) {
    return {Exit::bad_input, std::move(message)};
}
inline Error failure(std::string message) {
    return {Exit::failure, std::move(message)};
}
inline Error unsupported(std::string message) {
    return {Exit::unsupported, std::move(message)};
}

template <typename T>
class [[nodiscard]] Result {
  public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    bool has_value() const { return state_.index() == 0; }
    explicit operator bool() const { return has_value(); }
    T &value() & { return std::get<0>(state_); }
    const T &value() const & { return std::get<0>(state_); }
    T &&value() && { return std::get<0>(std::move(state_)); }
    T &operator*() & { return value(); }
    const T &operator*() const & { return value(); }
    T &&operator*() && { return std::move(*this).value(); }
    T *operator->() { return &value(); }
    const T *operator->() const { return &value(); }
    const Error &error() const { return std::get<1>(state_); }

  private:
    std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
  public:
    Result() = default;
    Result(Error error) : error_(std::move(error)) {}

    bool has_value() const { return !error_; }
    explicit operator bool() const { return has_value(); }
    const Error &error() const { return *error_; }

  private:
    std::optional<Error> error_;
};

} // namespace lk
