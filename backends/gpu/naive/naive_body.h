// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_BACKENDS_GPU_NAIVE_NAIVE_BODY_H_
#define ATTEST_BACKENDS_GPU_NAIVE_NAIVE_BODY_H_

#include "backends/gpu/naive/naive_config.h"
#include "backends/gpu/request.h"

namespace attest::gpu::naive {

GPU_FUNCTION float Product(const AttentionParams& p, std::int64_t query, const Place& place,
                           int kv_head) {
  const std::int64_t key = OffsetOf(p.key, place, kv_head);
  const float scale = ScaleAt(p.key_scale, place, kv_head);
  float sum = 0.0F;
  for (int d = 0; d < p.head_dim_qk; ++d) {
    sum += LoadElement(p.query.element, p.query.data, query + d * p.query.column) *
           (LoadElement(p.key.element, p.key.data, key + ColumnOffset(p.key, d)) * scale);
  }
  return sum;
}

// Grid: [ceil(tokens / kThreads), num_q_heads].
template <bool kCausal>
GPU_KERNEL(kThreads)
NaiveKernel(const AttentionParams p) {
  const int token = static_cast<int>(Block().x) * kThreads + ThreadX();
  const int head = static_cast<int>(Block().y);
  const int kv_head = head / p.group;
  int index = 0;
  while (index < p.num_requests &&
         token >= p.query_start_loc.data[(index + 1) * p.query_start_loc.column]) {
    ++index;
  }
  if (index == p.num_requests) return;  // a row of padding

  const Request request = RequestAt(p, index);
  const int position = request.position(token - request.start);
  const Band band = BandOf<kCausal>(p, request.seq_len, position);
  const ScoreRule rule = ScoreRuleOf(p, head);
  const std::int64_t query = token * p.query.token + head * p.query.head;
  SoftmaxState state;
  float sums[kMaxHeadDim] = {};
  for (int key = band.first; key < band.last; ++key) {
    const Place place = PlaceOf(p, request, key);
    const float score = rule.Of(Product(p, query, place, kv_head), position, key);
    const float shrink = state.Raise(score);
    const float weight = state.WeightOf(score);
    state.sum += weight;
    const std::int64_t value = OffsetOf(p.value, place, kv_head);
    const float scale = ScaleAt(p.value_scale, place, kv_head);
    for (int d = 0; d < p.head_dim_v; ++d) {
      sums[d] = sums[d] * shrink + weight * (LoadElement(p.value.element, p.value.data,
                                                         value + ColumnOffset(p.value, d)) *
                                             scale);
    }
  }

  const float shrink = AddSink(p, head, state);
  const float inverse = state.sum > 0.0F ? shrink / state.sum : 0.0F;
  for (int d = 0; d < p.head_dim_v; ++d) {
    StoreElement(p.out.element, p.out.data, OutOffset(p, token, head) + d * p.out.column,
                 sums[d] * inverse);
  }
  StoreLse(p, token, head, state.Lse());
}

}  // namespace attest::gpu::naive

#endif  // ATTEST_BACKENDS_GPU_NAIVE_NAIVE_BODY_H_
