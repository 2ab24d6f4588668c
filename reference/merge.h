// SPDX-License-Identifier: Apache-2.0
//
// What merging partial attention states by their LSE gives, and how far an admissible merge may be
// from it (spec/clauses/numerics.md, "Merging").
#ifndef ATTEST_REFERENCE_MERGE_H_
#define ATTEST_REFERENCE_MERGE_H_

#include <Eigen/Core>
#include <vector>

#include "reference/oracle.h"
#include "spec/vocabulary/arithmetic.h"
#include "spec/vocabulary/problem.h"
#include "spec/vocabulary/status.h"
#include "spec/vocabulary/tensor_view.h"

namespace attest {

struct MergeTensors {
  std::vector<TensorView> part_out;  // each [T, Hq, Dv]: problem.output_dtype or float32
  std::vector<TensorView> part_lse;  // each float32 [T, Hq], natural logarithm
};

// Line t*num_q_heads + h, for the NumTokens(problem) tokens that count.
struct Merged {
  RowMajorMatrix out;   // [T*Hq, head_dim_v]
  Eigen::VectorXd lse;  // [T*Hq]
  RowMajorMatrix out_bound;
  Eigen::VectorXd lse_bound;
};

// out = sum e^(lse_i) out_i / sum e^(lse_i), lse = ln sum e^(lse_i). A part whose lse is -inf
// weighs 0 and its output is not looked at, whatever its bytes. If all parts are empty out is 0,
// lse is -inf and both bounds are 0. An lse of NaN or +inf makes the line NaN, with bound 0.
//
// Parts count as given: their own errors are no error of the merge. The bound holds for any order
// and for pairwise merging. Bad input: no part, not one lse a part, or a tensor whose rank, shape
// or dtype contradicts `problem`.
Result<Merged> ComputeMerge(const Problem& problem, const MergeTensors& tensors,
                            const Arithmetic& arithmetic);

}  // namespace attest

#endif  // ATTEST_REFERENCE_MERGE_H_
