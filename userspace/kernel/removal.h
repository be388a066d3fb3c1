// SPDX-License-Identifier: MIT
// Taking pinned things out of the kernel: detaches links, removes pins, and waits until what was pinned is
// gone.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "kernel/pins.h"
#include "kernel/sys.h"

namespace lk {

class Removal {
  public:
    // Notes every BPF object pinned below DIRECTORY, however deep.
    void note(const std::string &directory);
    // Ends the links pinned in LINKS_DIR whose names begin with PREFIX, and removes their pins.
    void end_links(const std::string &links_dir, std::string_view prefix);
    // Removes our clsact filters from every device of this network namespace: those of the programs noted,
    // and with BY_NAME all that bear our program's name.
    void end_filters(bool by_name);
    // Ends every living link of ours in this network namespace, pinned or not.
    void end_living_links(std::uint64_t netns_cookie);
    void end_qdiscs(const std::string &links_dir); // the empty clsact qdiscs that LINKS_DIR says are ours
    void remove_directory(const std::string &directory);
    // Waits until nothing that was noted exists any more. An error names everything that is left.
    Result<void> finish();
    void keep(const Result<void> &result); // for finish() to tell

  private:
    std::set<BpfObject> noted_;
    std::vector<std::string> left_;
    bool forbidden_ = false;
};

} // namespace lk
