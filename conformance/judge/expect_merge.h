// SPDX-License-Identifier: Apache-2.0
//
// What a merge of the parts of an image must give.
#ifndef ATTEST_CONFORMANCE_JUDGE_EXPECT_MERGE_H_
#define ATTEST_CONFORMANCE_JUDGE_EXPECT_MERGE_H_

#include "conformance/run/inputs.h"
#include "reference/oracle.h"

namespace attest {

// The merged rows as an expectation of the whole problem's rows. `image` has "part_out_0" and
// "part_lse_0" to those of part `parts` - 1. Weight sums are 0: a merge is judged by its bound.
Result<Expected> ExpectMerge(const Problem& problem, const CallImage& image, int parts,
                             const Arithmetic& arithmetic);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_JUDGE_EXPECT_MERGE_H_
