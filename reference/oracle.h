// SPDX-License-Identifier: Apache-2.0
//
// The oracle: what attention is, in double precision with Eigen, for the rows somebody asks about,
// together with the largest error that an admissible implementation may make in each number
// (spec/clauses/numerics.md).
#ifndef ATTEST_REFERENCE_ORACLE_H_
#define ATTEST_REFERENCE_ORACLE_H_

#include <Eigen/Core>
#include <cstdint>
#include <vector>

#include "reference/attention_tensors.h"
#include "spec/vocabulary/arithmetic.h"
#include "spec/vocabulary/problem.h"
#include "spec/vocabulary/status.h"

namespace attest {

// Every row of every request, requests in order.
std::vector<QueryRow> AllRows(const Problem& problem);

using RowMajorMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// Line n*num_q_heads + h belongs to rows[n] and query head h.
struct Expected {
  std::vector<QueryRow> rows;
  RowMajorMatrix out;        // [rows*Hq, head_dim_v]
  Eigen::VectorXd lse;       // [rows*Hq]; -inf for a row that sees nothing and has no sink
  RowMajorMatrix out_bound;  // [rows*Hq, head_dim_v], >= 0, finite; empty unless asked for
  Eigen::VectorXd lse_bound;
  std::vector<std::int64_t> visible;  // [rows*Hq]; keys that the row sees
  Eigen::VectorXd
      weight_sum;  // [rows*Hq]; sum of exp(score - max) over visible keys, sink included
};

struct OracleOptions {
  bool bound = true;
  int threads = 1;
};

// Expectation and bound for `rows`. Only what the spec calls visible influences a row: a NaN in an
// invisible slot cannot reach it. A NaN or infinity that a row does see has the effect that IEEE
// arithmetic gives it, and the bound of an element that is not finite is 0. Bad input: the problem
// contradicts itself or asks for what the reference does not compute (softcap, biases, prefix
// ranges, tree and custom masks, local blocks, caches below 16 bit, x-split keys); a tensor is
// missing, or its shape, dtype or lengths contradict `problem`; a block_table entry of a live page
// is out of range; a row is none of the problem's.
Result<Expected> ComputeExpected(const Problem& problem, const AttentionTensors& tensors,
                                 const std::vector<QueryRow>& rows, const Arithmetic& arithmetic,
                                 const OracleOptions& options);

}  // namespace attest

#endif  // ATTEST_REFERENCE_ORACLE_H_
