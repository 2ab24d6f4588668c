// SPDX-License-Identifier: Apache-2.0
//
// Calls that a process answers before the one that is judged (CaseKind::kAfterOthers): each differs
// from the case in one thing, so that whatever is kept from it shows.
#ifndef ATTEST_CONFORMANCE_JUDGE_PRELUDES_H_
#define ATTEST_CONFORMANCE_JUDGE_PRELUDES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "conformance/mutants/mutant.h"
#include "conformance/run/inputs.h"
#include "spec/cases/case.h"
#include "spec/vocabulary/claims.h"

namespace attest {

struct Prelude {
  std::string how;  // "a call with another scale"
  Case value;       // of kind forward, with the case's id and recipe
};

// Those that make a valid problem. Contents differ in all of them, and so do the pages.
std::vector<Prelude> PreludesOf(const Case& value);

Result<CaseInputs> BuildPrelude(const Prelude& prelude, std::uint64_t seed);

// What the scalar attention could remember when the call of the case begins: one for each prelude,
// and of a determinism case that of its own first call. Kinds without an earlier call: none.
std::vector<Memory> MemoriesOf(const Case& value, const CaseInputs& inputs);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_JUDGE_PRELUDES_H_
