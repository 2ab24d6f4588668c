// SPDX-License-Identifier: Apache-2.0
//
// Keys of a row tile split among blocks, and their partial results merged by their LSE.
#ifndef ATTEST_BACKENDS_GPU_SPLIT_H_
#define ATTEST_BACKENDS_GPU_SPLIT_H_

#include <cstddef>
#include <cstdint>

#include "backends/gpu/tile.h"

namespace attest::gpu {

// Partial results of requests whose packed rows fit one tile of `rows` rows.
struct SplitParams {
  float* out = nullptr;   // [split][request][kv_head][rows][head_dim_v], each divided by its sum
  float* lse = nullptr;   // [split][request][kv_head][rows], without sinks
  std::int32_t most = 1;  // splits of a request
  std::int32_t least_keys = 1;  // of a split
  std::int32_t rows = 1;        // of a tile
  std::int32_t keys = 1;        // of a key tile; splits are whole tiles
};

struct Splits {
  int count = 1;
  int size = 0;   // keys
  int first = 0;  // key
};

GPU_BOTH int CeilDivide(int a, int b) { return (a + b - 1) / b; }

// Depends on the hull alone, that is on the lengths of the request, when `most` is a constant.
GPU_FUNCTION Splits SplitsOf(const SplitParams& s, const Band& hull) {
  Splits splits;
  splits.first = hull.first / s.keys * s.keys;
  const int length = Max(0, hull.last - splits.first);
  const int wanted = Max(1, Min(s.most, length / s.least_keys));
  splits.size = Max(s.keys, CeilDivide(CeilDivide(length, wanted), s.keys) * s.keys);
  splits.count = Max(1, CeilDivide(length, splits.size));
  return splits;
}

GPU_FUNCTION bool FitsOneTile(const AttentionParams& p, const SplitParams& s,
                              const Request& request) {
  return static_cast<std::int64_t>(request.q_len) * p.group <= s.rows;
}

GPU_FUNCTION std::int64_t PartialRow(const AttentionParams& p, const SplitParams& s, int split,
                                     int request, int kv_head, int row) {
  return ((static_cast<std::int64_t>(split) * p.num_requests + request) * p.num_kv_heads +
          kv_head) *
             s.rows +
         row;
}

// Stores this split's share of row r.
template <typename Work>
GPU_FUNCTION void StorePartialRow(const AttentionParams& p, const SplitParams& s, Work& work,
                                  const RowTile& tile, int split, int kv_head, int r) {
  const int index = work.RowIndex(r);
  if (index >= tile.rows) return;
  const std::int64_t at = PartialRow(p, s, split, tile.request.index, kv_head, index);
  work.ForEachColumn(r, p.head_dim_v, 1.0F,
                     [&](int column, float x) { s.out[at * p.head_dim_v + column] = x; });
  if (work.lane == 0) s.lse[at] = work.state[r].Lse();
}

struct MergeParams {
  AttentionParams attention;
  SplitParams splits;
};
inline constexpr int kMergeThreads = 32;

// Merges the partial results of row `index` of a request's only tile, in the order of the splits.
GPU_FUNCTION void MergeRow(const AttentionParams& p, const SplitParams& s, const RowTile& tile,
                           int splits, int kv_head, int index) {
  const Row row = RowOf(p, tile, kv_head, index);
  SoftmaxState state;
  for (int split = 0; split < splits; ++split) {
    const float lse = s.lse[PartialRow(p, s, split, tile.request.index, kv_head, index)];
    (void)state.Raise(lse);
    if (lse != MinusInfinity()) state.sum += state.WeightOf(lse);
  }
  (void)AddSink(p, row.head, state);
  for (int column = ThreadX(); column < p.head_dim_v; column += kMergeThreads) {
    float sum = 0.0F;
    for (int split = 0; split < splits; ++split) {
      const std::int64_t at = PartialRow(p, s, split, tile.request.index, kv_head, index);
      if (s.lse[at] == MinusInfinity()) continue;
      sum += state.WeightOf(s.lse[at]) * s.out[at * p.head_dim_v + column];
    }
    StoreElement(p.out.element, p.out.data,
                 OutOffset(p, row.token, row.head) + column * p.out.column,
                 state.sum > 0.0F ? sum / state.sum : 0.0F);
  }
  if (ThreadX() == 0) StoreLse(p, row.token, row.head, state.Lse());
}

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_GPU_SPLIT_H_
