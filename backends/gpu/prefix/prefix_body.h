// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_BACKENDS_GPU_PREFIX_PREFIX_BODY_H_
#define ATTEST_BACKENDS_GPU_PREFIX_PREFIX_BODY_H_

#include <cstddef>

#include "backends/gpu/prefix/prefix_config.h"
#include "backends/gpu/tile.h"

namespace attest::gpu::prefix {

struct PrefixParams {
  AttentionParams attention;
  RowView step_key;    // [T, num_kv_heads, head_dim_qk]
  RowView step_value;  // [T, num_kv_heads, head_dim_v]
};

GPU_FUNCTION bool IsDecode(const Request& request) { return request.q_len == 1; }

// Requests with more than one new token. Grid: [row tiles, num_kv_heads].
template <typename Config, bool kCausal>
GPU_KERNEL(Config::kThreads)
PrefillKernel(const PrefixParams params) {
  const AttentionParams& p = params.attention;
  const int kv_head = static_cast<int>(Block().y);
  const RowTile tile = RowTileAt(p, static_cast<int>(Block().x), Config::kRows);
  if (tile.rows == 0 || IsDecode(tile.request)) return;
  const Request& request = tile.request;
  const Band hull = HullOf<kCausal>(p, tile);

  TileWork<Config> work;
  work.LoadQuery(p, tile, kv_head);
  const Row rows[] = {RowOf(p, tile, kv_head, work.RowIndex(0)),
                      RowOf(p, tile, kv_head, work.RowIndex(1))};
  const Band bands[] = {BandOf<kCausal>(p, request.seq_len, rows[0].position),
                        BandOf<kCausal>(p, request.seq_len, rows[1].position)};
  const auto score = [&](int r, int key, float product) {
    const Row& row = rows[r];
    if (!row.real || !bands[r].Contains(key)) return MinusInfinity();
    return row.rule.Of(product, row.position, key);
  };

  // The context: keys below `context`, from the cache.
  const int context = Max(0, request.seq_len - request.q_len);
  const int context_end = Min(hull.last, context);
  for (int first = hull.first / Config::kKeys * Config::kKeys; first < context_end;
       first += Config::kKeys) {
    work.Visit(
        p, p.key, p.value, kv_head, rows[0].real,
        [&](int j) { return first + j >= hull.first && first + j < context_end; },
        [&](int j) { return PlaceOf(p, request, first + j); },
        [&](int r, int j, float product) {
          return first + j < context_end ? score(r, first + j, product) : MinusInfinity();
        });
  }
  // The chunk: key k is new token k - (seq_len - q_len). A tile may end past the query's last
  // token; what lies there belongs to the next request.
  const int offset = request.start - (request.seq_len - request.q_len);
  const int chunk_first = Max(hull.first, context);
  for (int first = chunk_first; first < hull.last; first += Config::kKeys) {
    work.Visit(
        p, params.step_key, params.step_value, kv_head, rows[0].real,
        [&](int j) { return first + j < hull.last; },
        [&](int j) {
          return Place{0, static_cast<std::int64_t>(offset) + first + j};
        },
        [&](int r, int j, float product) { return score(r, first + j, product); });
  }
  work.JoinLanes();
  GPU_UNROLL
  for (int r = 0; r < Config::kRowsPerThread; ++r) StoreRow(p, work, rows[r], r);
}

struct DecodeShared {
  float* query;   // [head_dim_qk]
  float* weight;  // [kDecodeKeys]
  float* score;   // [kDecodeKeys]
};
inline constexpr std::size_t DecodeSharedBytes(int head_dim_qk) {
  return sizeof(float) * (static_cast<std::size_t>(head_dim_qk) + 2 * kDecodeKeys);
}

GPU_FUNCTION float DecodeScore(const AttentionParams& p, const Request& request, const Row& row,
                               int kv_head, int key, const float* query) {
  const Place place = PlaceOf(p, request, key);
  const std::int64_t at = OffsetOf(p.key, place, kv_head);
  float sum = 0.0F;
  for (int d = 0; d < p.head_dim_qk; ++d) {
    sum += query[d] * LoadElement(p.key.element, p.key.data, at + ColumnOffset(p.key, d));
  }
  return row.rule.Of(sum, row.position, key);
}

// Requests with one new token. Grid: [num_requests, num_q_heads].
template <bool kCausal>
GPU_KERNEL(kDecodeThreads)
DecodeKernel(const PrefixParams params) {
  const AttentionParams& p = params.attention;
  const int head = static_cast<int>(Block().y);
  const int kv_head = head / p.group;
  const int thread = ThreadX();
  const Request request = RequestAt(p, static_cast<int>(Block().x));
  if (!IsDecode(request)) return;
  Row row;
  row.real = true;
  row.token = request.start;
  row.head = head;
  row.position = request.position(0);
  row.rule = ScoreRuleOf(p, head);
  const Band band = BandOf<kCausal>(p, request.seq_len, row.position);

  DecodeShared shared;
  shared.query = static_cast<float*>(SharedMemory());
  shared.weight = shared.query + p.head_dim_qk;
  shared.score = shared.weight + kDecodeKeys;
  for (int d = thread; d < p.head_dim_qk; d += kDecodeThreads) {
    shared.query[d] =
        LoadElement(p.query.element, p.query.data,
                    row.token * p.query.token + head * p.query.head + d * p.query.column);
  }
  Barrier();

  SoftmaxState state;  // the same in every thread
  float sums[kDecodeColumns] = {};
  for (int first = band.first; first < band.last; first += kDecodeKeys) {
    const int count = Min(kDecodeKeys, band.last - first);
    if (thread < count) {
      shared.score[thread] = DecodeScore(p, request, row, kv_head, first + thread, shared.query);
    }
    Barrier();
    float largest = MinusInfinity();
    for (int j = 0; j < count; ++j) largest = MaxOf(largest, shared.score[j]);
    const float shrink = state.Raise(largest);
    if (thread < count) shared.weight[thread] = state.WeightOf(shared.score[thread]);
    Barrier();
    GPU_UNROLL
    for (int i = 0; i < kDecodeColumns; ++i) sums[i] *= shrink;
    for (int j = 0; j < count; ++j) {
      const float weight = shared.weight[j];
      state.sum += weight;
      const std::int64_t at = OffsetOf(p.value, PlaceOf(p, request, first + j), kv_head);
      GPU_UNROLL
      for (int i = 0; i < kDecodeColumns; ++i) {
        const int column = thread + i * kDecodeThreads;
        if (column >= p.head_dim_v) continue;
        sums[i] +=
            weight * LoadElement(p.value.element, p.value.data, at + ColumnOffset(p.value, column));
      }
    }
  }
  const float shrink = AddSink(p, head, state);
  const float inverse = state.sum > 0.0F ? shrink / state.sum : 0.0F;
  GPU_UNROLL
  for (int i = 0; i < kDecodeColumns; ++i) {
    const int column = thread + i * kDecodeThreads;
    if (column >= p.head_dim_v) continue;
    StoreElement(p.out.element, p.out.data, OutOffset(p, row.token, head) + column * p.out.column,
                 sums[i] * inverse);
  }
  if (thread == 0) StoreLse(p, row.token, head, state.Lse());
}

}  // namespace attest::gpu::prefix

#endif  // ATTEST_BACKENDS_GPU_PREFIX_PREFIX_BODY_H_
