// SPDX-License-Identifier: Apache-2.0
//
// The oracle: what attention is, in double precision with Eigen, for the rows somebody asks about,
// together with the largest error that an admissible implementation may make in each number
// (spec/clauses/numerics.md). It computes everything that a Problem can say.
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

// The inside of one line, for those who want to look: key first_key + i has entry i of each vector.
// A line that sees nothing has none.
struct LineDetail {
  std::int64_t first_key = 0;         // the first visible key; the last entry is the last one
  std::vector<std::uint8_t> visible;  // 1 or 0
  std::vector<double> score;          // with softcap and bias; -inf where not visible
  std::vector<double> weight;         // of the sum that makes the output: e^(score - LSE)
};

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
  std::vector<LineDetail> detail;  // [rows*Hq]; empty unless asked for
};

struct OracleOptions {
  bool bound = true;
  bool detail = false;  // 17 bytes for each line and key
  int threads = 1;
};

// Expectation and bound for `rows`. Only what the spec calls visible influences a row: what an
// invisible slot, its scale, or its entry of a custom mask holds, NaN too, cannot reach it. A NaN
// or infinity that a row does see has the effect that IEEE arithmetic gives it, and the bound of an
// element that is not finite is 0.
//
// Tensors are those of attest_forward_args_t, with these differences. The mask tensors may be
// larger than the problem. For a shared latent value_cache and value_scale may be absent: the front
// of key_cache and key_scale serve. The x-split key cache has ceil(head_dim_qk / x) groups.
//
// Bad input: the problem contradicts itself; a tensor is missing, or its shape, dtype or lengths
// contradict `problem`; a block_table entry of a live page is out of range; the scale of a slot
// that some row of the problem sees is not finite; a row is none of the problem's.
Result<Expected> ComputeExpected(const Problem& problem, const AttentionTensors& tensors,
                                 const std::vector<QueryRow>& rows, const Arithmetic& arithmetic,
                                 const OracleOptions& options);

}  // namespace attest

#endif  // ATTEST_REFERENCE_ORACLE_H_
