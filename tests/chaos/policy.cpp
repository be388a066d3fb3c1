// SPDX-License-Identifier: MIT
#include "chaos/policy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace lk::chaos {

std::vector<std::string> attach_words(const Asked &asked) {
    std::vector<std::string> words{"attach"};
    words.insert(words.end(), asked.interfaces.begin(), asked.interfaces.end());
    words.insert(words.end(), {"--hook", asked.hook});
    for (const std::string &gateway : asked.gateways)
        words.insert(words.end(), {"--gw", gateway});
    if (asked.no_lan) words.push_back("--no-lan");
    if (asked.drop) words.insert(words.end(), {"--action", "drop"});
    return words;
}

std::string configuration(const Asked &asked) {
    return fmt::format("[[scope]]\ninterfaces = [\"{}\"]\nhook = \"{}\"\ngateways = [\"{}\"]\nno-lan = {}\n"
                       "action = \"{}\"\n",
                       fmt::join(asked.interfaces, "\", \""), asked.hook, fmt::join(asked.gateways, "\", \""),
                       asked.no_lan, asked.drop ? "drop" : "refuse");
}

} // namespace lk::chaos
