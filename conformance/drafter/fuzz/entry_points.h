// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_CONFORMANCE_DRAFTER_FUZZ_ENTRY_POINTS_H_
#define ATTEST_CONFORMANCE_DRAFTER_FUZZ_ENTRY_POINTS_H_

#include <string_view>

namespace attest::drafter {

// Hands `text` to everything that reads JSON of others: batches, targets, drafts, lines of the
// protocol. What is read is also computed. Aborts where an error has no text or no place.
void ReadEverywhere(std::string_view text);

}  // namespace attest::drafter

#endif  // ATTEST_CONFORMANCE_DRAFTER_FUZZ_ENTRY_POINTS_H_
