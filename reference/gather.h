// SPDX-License-Identifier: Apache-2.0
//
// From strided 16-bit or 32-bit tensors to dense double matrices: the queries of some rows, the
// keys and values of one request and KV head. Tensors have passed CheckTensors.
#ifndef ATTEST_REFERENCE_GATHER_H_
#define ATTEST_REFERENCE_GATHER_H_

#include <Eigen/Core>
#include <cstdint>
#include <vector>

#include "reference/oracle.h"
#include "spec/vocabulary/mask.h"
#include "spec/vocabulary/problem.h"

namespace attest {

// An element that is NaN or infinite.
struct NonFinite {
  std::int64_t key = 0;
  std::int64_t column = 0;
  double value = 0.0;
};

// A key that one row must not see may be seen by another row of the same matrix product, and
// 0 * NaN is NaN. So non-finite elements are 0 in the matrices and stand in lists beside them,
// sorted by key; whoever sees such a key adds its effect by hand.
struct KeysAndValues {
  KeyRange range;         // line i of the matrices is key range.first + i
  RowMajorMatrix keys;    // [keys, head_dim_qk]
  RowMajorMatrix values;  // [keys, head_dim_v]
  std::vector<NonFinite> odd_keys;
  std::vector<NonFinite> odd_values;
};

KeysAndValues GatherKeys(const Problem& problem, const AttentionTensors& tensors, int request,
                         int kv_head, KeyRange range);

// One query line, [head_dim_qk], as it stands.
void GatherQuery(const Problem& problem, const AttentionTensors& tensors, QueryRow row, int q_head,
                 Eigen::Ref<Eigen::RowVectorXd> line);

// Logit of each query head, [num_q_heads]; empty without sinks.
std::vector<double> GatherSinks(const Problem& problem, const AttentionTensors& tensors);

}  // namespace attest

#endif  // ATTEST_REFERENCE_GATHER_H_
