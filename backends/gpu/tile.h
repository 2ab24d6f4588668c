// SPDX-License-Identifier: Apache-2.0
//
// The inner loop that the tiled families share: a tile of rows of one request and one KV head meets
// key tile after key tile. What differs between families (which keys come in which order, what a
// row sees of them) comes in as functions.
//
// The rows of a tile are packed: row i is query head i % group of token i / group, so that a key is
// loaded once for all heads that read it. kLanes threads share kRowsPerThread rows: each has its
// share of the keys while scores are made, and its share of the columns while values are summed.
#ifndef ATTEST_BACKENDS_GPU_TILE_H_
#define ATTEST_BACKENDS_GPU_TILE_H_

#include <cstddef>
#include <cstdint>

#include "backends/gpu/request.h"

namespace attest::gpu {

// Sized so that a block fits the 64 KiB of shared memory that AMD's devices have.
template <int kHeadDim>
struct TileConfig {
  static constexpr int kColumns = kHeadDim;
  static constexpr int kRows = kHeadDim > 128 ? 16 : 32;
  static constexpr int kKeys = kHeadDim > 128 ? 16 : 32;
  static constexpr int kLanes = 4;
  static constexpr int kRowsPerThread = 2;
  static constexpr int kKeysPerThread = kKeys / kLanes;
  static constexpr int kThreads = kRows / kRowsPerThread * kLanes;
  static constexpr int kChunk = 8;  // columns of a lane that lie together
  static constexpr int kChunks = kColumns / (kLanes * kChunk);
  static constexpr int kSums = kChunks * kChunk;
  static constexpr std::size_t kSharedBytes =
      sizeof(float) * (kRows * kColumns + 2 * kKeys * kColumns + kRows * kKeys);
};
using TileOf128 = TileConfig<128>;
using TileOf256 = TileConfig<256>;

// What a thread knows of one of its rows.
struct Row {
  bool real = false;  // false past the tile's last row
  int token = 0;      // in query and out
  int head = 0;
  int position = 0;
  ScoreRule rule = {};
};

GPU_FUNCTION Row RowOf(const AttentionParams& p, const RowTile& tile, int kv_head, int index) {
  Row row;
  row.real = index < tile.rows;
  const int packed = tile.first + (row.real ? index : 0);
  row.token = tile.request.start + packed / p.group;
  row.head = kv_head * p.group + packed % p.group;
  row.position = tile.request.position(packed / p.group);
  row.rule = ScoreRuleOf(p, row.head);
  return row;
}

// The positions of a tile's first and last row.
struct Positions {
  int first = 0;
  int last = 0;
};
GPU_FUNCTION Positions PositionsOf(const AttentionParams& p, const RowTile& tile) {
  return {tile.request.position(tile.first / p.group),
          tile.request.position((tile.first + tile.rows - 1) / p.group)};
}

// Every key in it is seen by some row of the tile, and none outside: bands of neighbouring rows
// overlap or touch.
template <bool kCausal>
GPU_FUNCTION Band HullOf(const AttentionParams& p, const RowTile& tile) {
  const Positions at = PositionsOf(p, tile);
  const int seq_len = tile.request.seq_len;
  return {BandOf<kCausal>(p, seq_len, at.first).first, BandOf<kCausal>(p, seq_len, at.last).last};
}

template <typename Config>
struct TileWork {
  using C = Config;

  float* query;   // [kRows][kColumns]
  float* key;     // [kColumns][kKeys]
  float* value;   // [kKeys][kColumns]
  float* weight;  // [kRows][kKeys]
  int lane;
  int first_row;
  SoftmaxState state[C::kRowsPerThread];  // its sum is this lane's share until Finish
  float sums[C::kRowsPerThread][C::kSums];

  GPU_FUNCTION TileWork() {
    query = static_cast<float*>(SharedMemory());
    key = query + C::kRows * C::kColumns;
    value = key + C::kKeys * C::kColumns;
    weight = value + C::kKeys * C::kColumns;
    lane = ThreadX() % C::kLanes;
    first_row = ThreadX() / C::kLanes * C::kRowsPerThread;
    GPU_UNROLL
    for (int i = 0; i < C::kRowsPerThread * C::kSums; ++i) sums[i / C::kSums][i % C::kSums] = 0.0F;
  }

  GPU_FUNCTION int KeyOf(int j) const { return lane * C::kKeysPerThread + j; }
  GPU_FUNCTION int ColumnOf(int chunk) const { return (chunk * C::kLanes + lane) * C::kChunk; }

  // Rows past the tile's last are left as they are; their threads compute nothing.
  GPU_FUNCTION void LoadQuery(const AttentionParams& p, const RowTile& tile, int kv_head) {
    constexpr int kPieces = C::kColumns / kLoadWidth;
    for (int i = ThreadX(); i < tile.rows * kPieces; i += C::kThreads) {
      const int column = i % kPieces * kLoadWidth;
      if (column >= p.head_dim_qk) continue;
      const Row row = RowOf(p, tile, kv_head, i / kPieces);
      const std::int64_t at =
          row.token * p.query.token + row.head * p.query.head + column * p.query.column;
      const Loaded some =
          LoadSome(p.query.element, p.query.data, at, p.query.column, p.head_dim_qk - column);
      float* const to = query + i / kPieces * C::kColumns + column;
      for (int e = 0; e < kLoadWidth; ++e) to[e] = some.at[e];
    }
  }

  // Row j of the tile is the key at place_of(j), or zeros where needed(j) is false: dead memory may
  // hold NaN, and no weight of 0 makes that go away.
  template <bool kTransposed, typename Needed, typename PlaceOfKey>
  GPU_FUNCTION void LoadRows(const RowView& rows, const ScaleView& scales, int head, int width,
                             float* to, Needed needed, PlaceOfKey place_of) {
    constexpr int kPieces = C::kColumns / C::kChunk;
    for (int i = ThreadX(); i < C::kKeys * kPieces; i += C::kThreads) {
      const int j = i / kPieces;
      const int column = i % kPieces * C::kChunk;
      if (column >= width) continue;
      const bool real = needed(j);
      const Place place = real ? place_of(j) : Place{};
      const float scale = real ? ScaleAt(scales, place, head) : 1.0F;
      const std::int64_t row = OffsetOf(rows, place, head);
      for (int part = column; part < column + C::kChunk; part += kLoadWidth) {
        Loaded some;
        if (real && part < width) {
          some = LoadSome(rows.element, rows.data, row + ColumnOffset(rows, part), rows.column,
                          width - part);
        }
        for (int e = 0; e < kLoadWidth; ++e) {
          to[kTransposed ? (part + e) * C::kKeys + j : j * C::kColumns + part + e] =
              some.at[e] * scale;
        }
      }
    }
  }

  // scores[r][j]: product of row first_row + r and key KeyOf(j).
  GPU_FUNCTION void Multiply(int width, float (&scores)[C::kRowsPerThread][C::kKeysPerThread]) {
    GPU_UNROLL
    for (int i = 0; i < C::kRowsPerThread * C::kKeysPerThread; ++i) {
      scores[i / C::kKeysPerThread][i % C::kKeysPerThread] = 0.0F;
    }
    const float* const q = query + first_row * C::kColumns;
    const float* k = key + KeyOf(0);
    for (int d = 0; d < width; ++d, k += C::kKeys) {
      GPU_UNROLL
      for (int r = 0; r < C::kRowsPerThread; ++r) {
        const float factor = q[r * C::kColumns + d];
        GPU_UNROLL
        for (int j = 0; j < C::kKeysPerThread; ++j) scores[r][j] += factor * k[j];
      }
    }
  }

  // Scores of -inf are keys that the row does not see. All threads of the block come here.
  GPU_FUNCTION void Weigh(float (&scores)[C::kRowsPerThread][C::kKeysPerThread]) {
    static_assert(C::kRowsPerThread == 2 && C::kLanes == 4);
    FloatPair largest = {MinusInfinity(), MinusInfinity()};
    GPU_UNROLL
    for (int j = 0; j < C::kKeysPerThread; ++j) {
      largest = {MaxOf(largest.a, scores[0][j]), MaxOf(largest.b, scores[1][j])};
    }
    for (int mask = 1; mask < C::kLanes; mask *= 2) {
      const FloatPair other = ShuffleXor(largest, mask);
      largest = {MaxOf(largest.a, other.a), MaxOf(largest.b, other.b)};
    }
    GPU_UNROLL
    for (int r = 0; r < C::kRowsPerThread; ++r) {
      const float factor = state[r].Raise(r == 0 ? largest.a : largest.b);
      GPU_UNROLL
      for (int j = 0; j < C::kKeysPerThread; ++j) {
        // Where nothing is seen yet, score and maximum are both -inf.
        const float own = scores[r][j] == MinusInfinity() ? 0.0F : state[r].WeightOf(scores[r][j]);
        state[r].sum += own;
        weight[(first_row + r) * C::kKeys + KeyOf(j)] = own;
      }
      if (factor == 1.0F) continue;
      GPU_UNROLL
      for (int c = 0; c < C::kSums; ++c) sums[r][c] *= factor;
    }
  }

  GPU_FUNCTION void Accumulate(int width) {
    const float* const w = weight + first_row * C::kKeys;
    GPU_UNROLL
    for (int chunk = 0; chunk < C::kChunks; ++chunk) {
      if (ColumnOf(chunk) < width) AccumulateChunk(w, chunk);
    }
  }
  GPU_FUNCTION void AccumulateChunk(const float* w, int chunk) {
    const float* v = value + ColumnOf(chunk);
    for (int j = 0; j < C::kKeys; ++j, v += C::kColumns) {
      GPU_UNROLL
      for (int r = 0; r < C::kRowsPerThread; ++r) {
        const float own = w[r * C::kKeys + j];
        GPU_UNROLL
        for (int e = 0; e < C::kChunk; ++e) sums[r][chunk * C::kChunk + e] += own * v[e];
      }
    }
  }

  // One tile of keys: loads, weighs and sums it. Key j of the tile is logical key first_key + j
  // unless logical_of says otherwise. All threads of the block come here.
  template <typename Needed, typename PlaceOfKey, typename ScoreOf>
  GPU_FUNCTION void Visit(const AttentionParams& p, const RowView& keys, const RowView& values,
                          int kv_head, bool active, Needed needed, PlaceOfKey place_of,
                          ScoreOf score_of) {
    LoadRows<true>(keys, p.key_scale, kv_head, p.head_dim_qk, key, needed, place_of);
    LoadRows<false>(values, p.value_scale, kv_head, p.head_dim_v, value, needed, place_of);
    Barrier();
    float scores[C::kRowsPerThread][C::kKeysPerThread];
    if (active) Multiply(p.head_dim_qk, scores);
    GPU_UNROLL
    for (int r = 0; r < C::kRowsPerThread; ++r) {
      GPU_UNROLL
      for (int j = 0; j < C::kKeysPerThread; ++j) {
        scores[r][j] = active ? score_of(r, KeyOf(j), scores[r][j]) : MinusInfinity();
      }
    }
    Weigh(scores);
    Barrier();
    if (active) Accumulate(p.head_dim_v);
    Barrier();  // the next tile overwrites keys, values and weights
  }

  // Makes the sums of all lanes one. All threads of the block come here.
  GPU_FUNCTION void JoinLanes() {
    for (int mask = 1; mask < C::kLanes; mask *= 2) {
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
    for (int chunk = 0; chunk < C::kChunks; ++chunk) {
      GPU_UNROLL
      for (int e = 0; e < C::kChunk; ++e) {
        const int column = ColumnOf(chunk) + e;
        if (column < width) store(column, sums[r][chunk * C::kChunk + e] * inverse);
      }
    }
  }

  // Output and LSE of row r with the sink, where they belong.
  GPU_FUNCTION void StoreRow(const AttentionParams& p, const Row& row, int r) {
    if (!row.real) return;
    const float factor = AddSink(p, row.head, state[r]);
    const std::int64_t at = OutOffset(p, row.token, row.head);
    ForEachColumn(r, p.head_dim_v, factor, [&](int column, float x) {
      StoreElement(p.out.element, p.out.data, at + column * p.out.column, x);
    });
    if (lane == 0) StoreLse(p, row.token, row.head, state[r].Lse());
  }
};

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_GPU_TILE_H_
