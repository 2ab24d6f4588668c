// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_BACKENDS_GPU_MERGE_MERGE_BODY_H_
#define ATTEST_BACKENDS_GPU_MERGE_MERGE_BODY_H_

#include "backends/gpu/merge/merge.h"
#include "backends/gpu/request.h"

namespace attest::gpu::merge {

GPU_FUNCTION float LseOf(const Part& part, int token, int head) {
  return part.lse.data[token * part.lse.row + head * part.lse.column];
}

// Largest LSE and sum of the weights; parts with nothing in them count for nothing.
GPU_FUNCTION SoftmaxState StateOf(const MergeParams& p, int token, int head) {
  SoftmaxState state;
  for (int i = 0; i < p.num_parts; ++i) {
    state.maximum = MaxOf(state.maximum, LseOf(p.parts[i], token, head));
  }
  for (int i = 0; i < p.num_parts; ++i) {
    const float lse = LseOf(p.parts[i], token, head);
    if (lse != MinusInfinity()) state.sum += state.WeightOf(lse);
  }
  return state;
}

GPU_FUNCTION float MergedColumn(const MergeParams& p, const SoftmaxState& state, int token,
                                int head, int column) {
  float sum = 0.0F;
  for (int i = 0; i < p.num_parts; ++i) {
    const float lse = LseOf(p.parts[i], token, head);
    if (lse == MinusInfinity()) continue;  // a weight of 0 would leave a NaN
    const TokenView& out = p.parts[i].out;
    sum += state.WeightOf(lse) *
           LoadElement(out.element, out.data,
                       token * out.token + head * out.head + column * out.column);
  }
  return state.sum > 0.0F ? sum / state.sum : 0.0F;
}

// Grid: [num_tokens, num_q_heads].
template <int kThreads>
GPU_KERNEL(kThreads)
MergeKernel(const MergeParams p) {
  const int token = static_cast<int>(Block().x);
  const int head = static_cast<int>(Block().y);
  const SoftmaxState state = StateOf(p, token, head);
  for (int column = ThreadX(); column < p.head_dim_v; column += kThreads) {
    StoreElement(p.out.element, p.out.data,
                 token * p.out.token + head * p.out.head + column * p.out.column,
                 MergedColumn(p, state, token, head, column));
  }
  if (p.lse.data == nullptr) return;
  Barrier();  // `lse` may be that of a part, which all threads read
  if (ThreadX() == 0) p.lse.data[token * p.lse.row + head * p.lse.column] = state.Lse();
}

}  // namespace attest::gpu::merge

#endif  // ATTEST_BACKENDS_GPU_MERGE_MERGE_BODY_H_
