// SPDX-License-Identifier: Apache-2.0
//
// Inputs of a merge case: partial attention states of the same rows.
#ifndef ATTEST_CONFORMANCE_RUN_INPUTS_MERGE_H_
#define ATTEST_CONFORMANCE_RUN_INPUTS_MERGE_H_

#include <cstdint>

#include "conformance/run/inputs.h"
#include "spec/cases/case.h"
#include "spec/vocabulary/status.h"

namespace attest {

// "part_out_0" and "part_lse_0" to those of part `parts` - 1, then "out" and "lse" with the
// never-written pattern. Outputs are normal. The LSEs of one row spread over 8 units around
// -20..20, in no order, so that a merge to the base 2 or one without a maximum shows. One part of
// five is empty: LSE minus infinity, and its output NaN, or loud in every other one; one row of
// eight has empty parts only. Rows of padding hold the case's poison.
//
// Bad input: what Validate says; fewer parts than one.
Result<CaseInputs> BuildMergeInputs(const Case& value, int parts, std::uint64_t seed);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_INPUTS_MERGE_H_
