// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_BACKENDS_GPU_UNIFIED_UNIFIED_BODY_H_
#define ATTEST_BACKENDS_GPU_UNIFIED_UNIFIED_BODY_H_

#include "backends/gpu/tile.h"
#include "backends/gpu/unified/unified_config.h"

namespace attest::gpu::unified {

struct UnifiedParams {
  AttentionParams attention;
  float* segment_out = nullptr;  // [T, num_q_heads, kSegments, head_dim_v]
  float* segment_lse = nullptr;  // [T, num_q_heads, kSegments]
};

// Keys [first, last) of segment `segment` of a request: whole tiles, counted from key 0.
template <typename Config>
GPU_FUNCTION Band SegmentOf(int seq_len, int segment) {
  const int tiles = (seq_len + Config::kKeys - 1) / Config::kKeys;
  const int size = (tiles + kSegments - 1) / kSegments * Config::kKeys;
  return {segment * size, Min(seq_len, (segment + 1) * size)};
}

GPU_FUNCTION std::int64_t SegmentRow(const AttentionParams& p, int token, int head, int segment) {
  return (static_cast<std::int64_t>(token) * p.num_q_heads + head) * kSegments + segment;
}

// Grid: [row tiles, num_kv_heads], and kSegments in the 3-D form.
template <typename Config, bool kSegmented>
GPU_KERNEL(Config::kThreads)
UnifiedKernel(const UnifiedParams params) {
  const AttentionParams& p = params.attention;
  const int kv_head = static_cast<int>(Block().y);
  const int segment = static_cast<int>(Block().z);
  const RowTile tile = RowTileAt(p, static_cast<int>(Block().x), Config::kRows);
  if (tile.rows == 0) return;
  const Request& request = tile.request;
  const Band hull = HullOf<true>(p, tile);
  Band keys = hull;
  if (kSegmented) {
    const Band own = SegmentOf<Config>(request.seq_len, segment);
    keys = {Max(hull.first, own.first), Min(hull.last, own.last)};
  }

  TileWork<Config> work;
  work.LoadQuery(p, tile, kv_head);
  const Row rows[] = {RowOf(p, tile, kv_head, work.RowIndex(0)),
                      RowOf(p, tile, kv_head, work.RowIndex(1))};
  for (int first = keys.first / Config::kKeys * Config::kKeys; first < keys.last;
       first += Config::kKeys) {
    work.Visit(
        p, p.key, p.value, kv_head, rows[0].real, [&](int j) { return hull.Contains(first + j); },
        [&](int j) { return PlaceOf(p, request, first + j); },
        [&](int r, int j, float product) {
          const Row& row = rows[r];
          const int key = first + j;
          // Bottom-right causal; the row's own key is the first of its window.
          const bool seen = row.real && key <= row.position && key < request.seq_len &&
                            row.position - key < p.window_left;
          return seen ? row.rule.Of(product, row.position, key) : MinusInfinity();
        });
  }
  work.JoinLanes();
  GPU_UNROLL
  for (int r = 0; r < Config::kRowsPerThread; ++r) {
    const Row& row = rows[r];
    if (!kSegmented) {
      StoreRow(p, work, row, r);
      continue;
    }
    if (!row.real) continue;
    const std::int64_t at = SegmentRow(p, row.token, row.head, segment);
    work.ForEachColumn(r, p.head_dim_v, 1.0F, [&](int column, float x) {
      params.segment_out[at * p.head_dim_v + column] = x;
    });
    if (work.lane == 0) params.segment_lse[at] = work.state[r].Lse();
  }
}

inline constexpr int kReduceThreads = 32;

// The 3-D form's second half. Grid: [tokens, num_q_heads].
GPU_FUNCTION void ReduceRow(const UnifiedParams& params, int token, int head) {
  const AttentionParams& p = params.attention;
  const std::int64_t first = SegmentRow(p, token, head, 0);
  SoftmaxState state;
  for (int segment = 0; segment < kSegments; ++segment) {
    const float lse = params.segment_lse[first + segment];
    (void)state.Raise(lse);
    if (lse != MinusInfinity()) state.sum += state.WeightOf(lse);
  }
  (void)AddSink(p, head, state);
  for (int column = ThreadX(); column < p.head_dim_v; column += kReduceThreads) {
    float sum = 0.0F;
    for (int segment = 0; segment < kSegments; ++segment) {
      const float lse = params.segment_lse[first + segment];
      if (lse == MinusInfinity()) continue;
      sum += state.WeightOf(lse) * params.segment_out[(first + segment) * p.head_dim_v + column];
    }
    StoreElement(p.out.element, p.out.data, OutOffset(p, token, head) + column * p.out.column,
                 state.sum > 0.0F ? sum / state.sum : 0.0F);
  }
  if (ThreadX() == 0) StoreLse(p, token, head, state.Lse());
}

template <int kThreads>
GPU_KERNEL(kThreads)
ReduceKernel(const UnifiedParams params) {
  const AttentionParams& p = params.attention;
  const int token = static_cast<int>(Block().x);
  if (token >= p.query_start_loc.data[p.num_requests * p.query_start_loc.column]) return;
  ReduceRow(params, token, static_cast<int>(Block().y));
}

}  // namespace attest::gpu::unified

#endif  // ATTEST_BACKENDS_GPU_UNIFIED_UNIFIED_BODY_H_
