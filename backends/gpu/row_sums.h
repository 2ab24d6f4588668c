// SPDX-License-Identifier: Apache-2.0
//
// What a thread keeps of its rows from key tile to key tile: the online softmax and its share of
// the weighted sums. A layout says which keys and columns are a thread's own; four threads share
// two rows in every layout.
#ifndef ATTEST_BACKENDS_GPU_ROW_SUMS_H_
#define ATTEST_BACKENDS_GPU_ROW_SUMS_H_

#include <cstdint>

#include "backends/gpu/request.h"

namespace attest::gpu {

template <typename C, typename Layout>
struct RowSums {
  static constexpr int kRowsPerThread = 2;
  static constexpr int kLanes = 4;
  using Scores = float[kRowsPerThread][C::kKeysPerThread];

  int lane;
  SoftmaxState state[kRowsPerThread];  // its sum is this lane's share until JoinLanes
  float sums[kRowsPerThread][C::kSums];

  GPU_FUNCTION RowSums() {
    lane = ThreadX() % kLanes;
    GPU_UNROLL
    for (int i = 0; i < kRowsPerThread * C::kSums; ++i) sums[i / C::kSums][i % C::kSums] = 0.0F;
  }

  // In the tile: the thread's row r, its key j and its column c.
  GPU_FUNCTION int RowIndex(int r) const { return Layout::Row(ThreadX(), r); }
  GPU_FUNCTION int KeyOf(int j) const { return Layout::Key(lane, j); }
  GPU_FUNCTION int ColumnOf(int c) const { return Layout::Column(lane, c); }

  // Turns scores into weights and makes the sums relative to the maximum they raise. Scores of -inf
  // are keys that the row does not see. All threads of the block come here.
  GPU_FUNCTION void Weigh(Scores& scores) {
    FloatPair largest = {MinusInfinity(), MinusInfinity()};
    GPU_UNROLL
    for (int j = 0; j < C::kKeysPerThread; ++j) {
      largest = {MaxOf(largest.a, scores[0][j]), MaxOf(largest.b, scores[1][j])};
    }
    for (int mask = 1; mask < kLanes; mask *= 2) {
      const FloatPair other = ShuffleXor(largest, mask);
      largest = {MaxOf(largest.a, other.a), MaxOf(largest.b, other.b)};
    }
    GPU_UNROLL
    for (int r = 0; r < kRowsPerThread; ++r) {
      const float factor = state[r].Raise(r == 0 ? largest.a : largest.b);
      GPU_UNROLL
      for (int j = 0; j < C::kKeysPerThread; ++j) {
        // Where nothing is seen yet, score and maximum are both -inf.
        scores[r][j] = scores[r][j] == MinusInfinity() ? 0.0F : state[r].WeightOf(scores[r][j]);
        state[r].sum += scores[r][j];
      }
      if (factor == 1.0F) continue;
      GPU_UNROLL
      for (int c = 0; c < C::kSums; ++c) sums[r][c] *= factor;
    }
  }

  // Makes the sums of all lanes one. All threads of the block come here.
  GPU_FUNCTION void JoinLanes() {
    for (int mask = 1; mask < kLanes; mask *= 2) {
      const FloatPair other = ShuffleXor(FloatPair{state[0].sum, state[1].sum}, mask);
      state[0].sum += other.a;
      state[1].sum += other.b;
    }
  }

  // After JoinLanes: the row's output, times `factor` / sum, column by column to store(column, x).
  template <typename Store>
  GPU_FUNCTION void ForEachColumn(int r, int width, float factor, Store store) const {
    const float inverse = state[r].sum > 0.0F ? factor / state[r].sum : 0.0F;
    GPU_UNROLL
    for (int c = 0; c < C::kSums; ++c) {
      if (ColumnOf(c) < width) store(ColumnOf(c), sums[r][c] * inverse);
    }
  }
};

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_GPU_ROW_SUMS_H_
