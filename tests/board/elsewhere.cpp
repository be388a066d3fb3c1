// SPDX-License-Identifier: MIT
#include "board/elsewhere.h"

#include <fstream>
#include <stdexcept>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace lk::board {

namespace {

using Json = nlohmann::ordered_json;

Json read(const std::string &path) {
    std::ifstream file(path);
    Json run = Json::parse(file, nullptr, false);
    for (const char *key : {"kernel", "version", "date", "leak_cases", "pass_cases", "unproven", "peers"})
        if (!run.is_object() || !run.contains(key))
            throw std::runtime_error(fmt::format("{}: expected what bench_leaks --json writes", path));
    return run;
}

std::string of(const Json &tally) {
    return fmt::format("{} of {}", tally["bad"].get<unsigned>(), tally["of"].get<unsigned>());
}

} // namespace

std::string elsewhere(const std::vector<std::string> &files, const std::string &command) {
    std::string text =
        fmt::format("## leakbpf on other kernels\n\nThe same cases in virtual machines without "
                    "virtual hardware. Made by\n\n    {}\n\n"
                    "| | | leaked | broken | by mode | not proven | |\n"
                    "|---|---|---|---|---|---|---|\n",
                    command);
    for (const std::string &path : files) {
        const Json run = read(path);
        for (const Json &peer : run["peers"]) {
            if (peer["name"] == "none") continue;
            text += fmt::format("| Linux {} | {} | {} | {} | {} wrong | {} | leakbpf {}, {} |\n",
                                run["kernel"].get<std::string>(), peer["title"].get<std::string>(),
                                of(peer["leaked"]), of(peer["broken"]), of(peer["by_mode"]),
                                run["unproven"].size(), run["version"].get<std::string>(),
                                run["date"].get<std::string>());
        }
    }
    text +=
        "\n*Not proven*: what the far side did not see without a filter either, so that it says nothing.\n";
    return text;
}

} // namespace lk::board
