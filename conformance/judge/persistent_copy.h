// SPDX-License-Identifier: Apache-2.0
//
// The calls of a copy-to-persistent case: metadata of each step into a buffer as large as the
// problem's, and sources that must be declined.
#ifndef ATTEST_CONFORMANCE_JUDGE_PERSISTENT_COPY_H_
#define ATTEST_CONFORMANCE_JUDGE_PERSISTENT_COPY_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "conformance/mutants/mutant.h"
#include "conformance/run/inputs.h"
#include "conformance/run/run_case.h"

namespace attest {

struct PersistentCopy {
  std::string how;  // "block_table of step 2, fewer requests"
  CallImage image;  // tensors "buffer" and "source", each between canaries
  bool fits = true;
  std::vector<std::byte> expected;  // of the image afterwards
};
Result<std::vector<PersistentCopy>> PersistentCopiesOf(const Case& value, std::uint64_t seed);

// Asks each of them and judges. `record` comes back finished.
Record JudgeCopies(Session& session, const std::vector<PersistentCopy>& copies, Record record);

// Does the judge fail `mutant`? In this process, without the ABI.
bool CopyExposes(const Case& value, const Mutant& mutant);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_JUDGE_PERSISTENT_COPY_H_
