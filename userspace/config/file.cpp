// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/fd.h"
#include "base/text.h"
#include "config/config.h"

namespace lk {

namespace {

constexpr std::size_t max_bytes = 32u << 20; // 100,000 gateways are 4 MB

Result<std::string> text_of(const std::string &path) {
    const auto wrong = [&path](const std::string &why) {
        return bad_input(fmt::format("the configuration {} cannot be read: {}", quote(path), why));
    };
    const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!file) return wrong(std::strerror(errno));
    std::string text;
    std::array<char, 65536> buffer;
    while (true) {
        const ssize_t got = read(file.get(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return wrong(std::strerror(errno));
        if (got == 0) break;
        text.append(buffer.data(), static_cast<std::size_t>(got));
        if (text.size() > max_bytes)
            return wrong(fmt::format("it is larger than {} bytes, which no policy is", grouped(max_bytes)));
    }
    return text;
}

} // namespace

Result<Document> read_config(const std::string &path) {
    const Result<std::string> text = text_of(path);
    return text ? parse_config(*text, path) : text.error();
}

Result<std::vector<ContainerRule>> read_container_rules(const std::string &path) {
    const Result<std::string> text = text_of(path);
    return text ? parse_container_rules(*text, path) : text.error();
}

Document lockdown_document() {
    Scope scope;
    scope.policy.lockdown = true;
    return {{std::move(scope)}};
}

} // namespace lk
