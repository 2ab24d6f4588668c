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

#include "spec/vocabulary/arithmetic.h"
#include "spec/vocabulary/problem.h"
#include "spec/vocabulary/status.h"
#include "spec/vocabulary/tensor_view.h"

namespace attest {

// The tensors of one call, in host memory, shapes as in attest_forward_args_t. Absent ones have no
// data.
struct AttentionTensors {
  TensorView query;
  TensorView key;
  TensorView value;
  TensorView key_cache;
  TensorView value_cache;
  TensorView query_start_loc;
  TensorView seq_lens;
  TensorView block_table;
  TensorView sinks;
};

struct QueryRow {
  int request = 0;
  std::int64_t row = 0;  // within the request
  bool operator==(const QueryRow&) const = default;
};

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

// Expectation and bound for `rows`. Only what the spec calls visible is ever read from K and V: a
// NaN in an invisible slot cannot reach the result. Bad input: a tensor is missing, or its shape or
// dtype contradicts `problem`; a block_table entry of a live page is out of range.
Result<Expected> ComputeExpected(const Problem& problem, const AttentionTensors& tensors,
                                 const std::vector<QueryRow>& rows, const Arithmetic& arithmetic,
                                 const OracleOptions& options);

}  // namespace attest

#endif  // ATTEST_REFERENCE_ORACLE_H_
