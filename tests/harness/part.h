// SPDX-License-Identifier: MIT
// A part of very many tests, for where each takes long. GoogleTest's own shards go by the order of the tests,
// which is that of their parameters: of some shards all are IPv4, say.
#pragma once

#include <string>
#include <vector>

namespace lk::harness {

struct TestName {
    std::string suite, test;
    std::string full() const { return suite + "." + test; }
};

// The full names of those that are not of PART, "INDEX/COUNT[:TEXT]"; with TEXT in their names they are of
// every part. Tests that differ only in what follows a '.' or '/' in their name, and else those of a suite,
// are dealt out in turn; which part begins, and in which order they are, is as good as random and always the
// same. No part is empty: where there are fewer tests than parts, some are of more than one. Throws where
// PART is no part.
std::vector<std::string> of_other_parts(const std::vector<TestName> &tests, const std::string &part);

// Does this filter of GoogleTest take the test out, by what stands after its '-'?
bool is_left_out(const std::string &name, const std::string &filter);

// Takes these out of this run's filter. What that leaves out already is of no part.
void keep_part(const std::string &part);

} // namespace lk::harness
