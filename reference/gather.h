// SPDX-License-Identifier: Apache-2.0
//
// From strided tensors of any type and cache layout to dense double matrices: the queries of some
// rows, the keys and values of one request and KV head, the biases of a line. Tensors have passed
// CheckTensors.
#ifndef ATTEST_REFERENCE_GATHER_H_
#define ATTEST_REFERENCE_GATHER_H_

#include <Eigen/Core>
#include <cstddef>
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
struct Gathered {
  KeyRange range;        // line i of the matrix is key range.first + i
  RowMajorMatrix lines;  // [keys, head_dim_qk] or [keys, head_dim_v]
  std::vector<NonFinite> odd;
};

struct GatheredValues : Gathered {
  // |value_scale| of each key, at most 1; empty without scales. A kernel that multiplies the scale
  // into the weight stores a weight that is smaller by it.
  Eigen::RowVectorXd weight_scale;
};

// The keys and values of one request and KV head.
struct KeySource {
  const Problem& problem;
  const AttentionTensors& tensors;
  int request = 0;
  int kv_head = 0;
};

// Stored numbers times their scales, exactly. What `keys` or `values` held before is gone; its
// memory is used again.
void GatherKeyTile(const KeySource& source, KeyRange range, Gathered* keys);
void GatherValueTile(const KeySource& source, KeyRange range, GatheredValues* values);

// Both at once, for those who want the whole of a short context.
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

// What is added to the scores of one line after the softcap.
struct LineBias {
  const std::byte* additive = nullptr;  // the custom mask's element for key 0, if it is additive
  std::int64_t step = 0;                // bytes from key to key
  DType dtype = DType::kNone;
  double slope = 0.0;  // ALiBi
  std::int64_t position = 0;

  bool has_additive() const { return additive != nullptr; }
  double Additive(std::int64_t key) const;  // 0 without a mask
  double Distance(std::int64_t key) const;  // -slope * |position - key|
};
bool HasBias(const Problem& problem);
LineBias GatherBias(const Problem& problem, const AttentionTensors& tensors, QueryRow row,
                    int q_head);

// Scale of a stored key or value, `tensor` being key_scale or value_scale: float32 [B, N, Hkv].
double LoadScale(const TensorView& tensor, std::int64_t page, std::int64_t slot,
                 std::int64_t kv_head);

// Logit of each query head, [num_q_heads]; empty without sinks.
std::vector<double> GatherSinks(const Problem& problem, const AttentionTensors& tensors);

}  // namespace attest

#endif  // ATTEST_REFERENCE_GATHER_H_
