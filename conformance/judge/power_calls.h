// SPDX-License-Identifier: Apache-2.0
//
// Whether the inputs of write_kv and of merge expose a mutant; ExposedMutants asks.
#ifndef ATTEST_CONFORMANCE_JUDGE_POWER_CALLS_H_
#define ATTEST_CONFORMANCE_JUDGE_POWER_CALLS_H_

#include "conformance/mutants/mutant.h"
#include "conformance/run/inputs.h"
#include "reference/oracle.h"

namespace attest {

// Does `mutant` leave other bytes behind than the faithful attention does? `inputs` are those of
// BuildWriteKvInputs.
bool WriteKvExposes(const CaseInputs& inputs, const Mutant& mutant);

// Is a merged number of `mutant` farther from the expectation than OutOfReach allows? `inputs` are
// those of BuildMergeInputs for `parts` parts, `expected` what ExpectMerge says of them.
bool MergeExposes(const CaseInputs& inputs, int parts, const Expected& expected,
                  const Mutant& mutant);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_JUDGE_POWER_CALLS_H_
