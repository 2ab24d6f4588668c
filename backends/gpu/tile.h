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
#include "backends/gpu/row_sums.h"

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

// A thread has neighbouring rows, neighbouring keys, and columns in pieces of kChunk.
template <typename C>
struct PlainLayout {
  GPU_FUNCTION static int Row(int thread, int r) {
    return thread / C::kLanes * C::kRowsPerThread + r;
  }
  GPU_FUNCTION static int Key(int lane, int j) { return lane * C::kKeysPerThread + j; }
  GPU_FUNCTION static int Column(int lane, int c) {
    return (c / C::kChunk * C::kLanes + lane) * C::kChunk + c % C::kChunk;
  }
};

template <typename Config>
struct TileWork : RowSums<Config, PlainLayout<Config>> {
  using C = Config;
  using Base = RowSums<Config, PlainLayout<Config>>;
  using Scores = typename Base::Scores;
  using Base::sums;
  static constexpr std::size_t kSharedBytes = C::kSharedBytes;

  float* query;   // [kRows][kColumns]
  float* key;     // [kColumns][kKeys]
  float* value;   // [kKeys][kColumns]
  float* weight;  // [kRows][kKeys]
  int first_row;

  GPU_FUNCTION TileWork() {
    query = static_cast<float*>(SharedMemory());
    key = query + C::kRows * C::kColumns;
    value = key + C::kKeys * C::kColumns;
    weight = value + C::kKeys * C::kColumns;
    first_row = Base::RowIndex(0);
  }

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
  GPU_FUNCTION void Multiply(int width, Scores& scores) {
    GPU_UNROLL
    for (int i = 0; i < C::kRowsPerThread * C::kKeysPerThread; ++i) {
      scores[i / C::kKeysPerThread][i % C::kKeysPerThread] = 0.0F;
    }
    const float* const q = query + first_row * C::kColumns;
    const float* k = key + Base::KeyOf(0);
    for (int d = 0; d < width; ++d, k += C::kKeys) {
      GPU_UNROLL
      for (int r = 0; r < C::kRowsPerThread; ++r) {
        const float factor = q[r * C::kColumns + d];
        GPU_UNROLL
        for (int j = 0; j < C::kKeysPerThread; ++j) scores[r][j] += factor * k[j];
      }
    }
  }

  // For all threads that share the rows, who have other keys each.
  GPU_FUNCTION void ShareWeights(const Scores& weights) {
    GPU_UNROLL
    for (int r = 0; r < C::kRowsPerThread; ++r) {
      GPU_UNROLL
      for (int j = 0; j < C::kKeysPerThread; ++j) {
        weight[(first_row + r) * C::kKeys + Base::KeyOf(j)] = weights[r][j];
      }
    }
  }

  GPU_FUNCTION void Accumulate(int width) {
    const float* const w = weight + first_row * C::kKeys;
    GPU_UNROLL
    for (int chunk = 0; chunk < C::kChunks; ++chunk) {
      if (Base::ColumnOf(chunk * C::kChunk) < width) AccumulateChunk(w, chunk);
    }
  }
  GPU_FUNCTION void AccumulateChunk(const float* w, int chunk) {
    const float* v = value + Base::ColumnOf(chunk * C::kChunk);
    for (int j = 0; j < C::kKeys; ++j, v += C::kColumns) {
      GPU_UNROLL
      for (int r = 0; r < C::kRowsPerThread; ++r) {
        const float own = w[r * C::kKeys + j];
        GPU_UNROLL
        for (int e = 0; e < C::kChunk; ++e) sums[r][chunk * C::kChunk + e] += own * v[e];
      }
    }
  }

  // One tile of keys: loads, weighs and sums it. `active`: one of the thread's rows is real. Key j
  // of the tile is at place_of(j) if needed(j), and score_of(r, j, product) is its score for the
  // thread's row r, or -inf. All threads of the block come here.
  template <typename Needed, typename PlaceOfKey, typename ScoreOf>
  GPU_FUNCTION void Visit(const AttentionParams& p, const RowView& keys, const RowView& values,
                          int kv_head, bool active, Needed needed, PlaceOfKey place_of,
                          ScoreOf score_of) {
    LoadRows<true>(keys, p.key_scale, kv_head, p.head_dim_qk, key, needed, place_of);
    LoadRows<false>(values, p.value_scale, kv_head, p.head_dim_v, value, needed, place_of);
    Barrier();
    Scores scores;
    if (active) Multiply(p.head_dim_qk, scores);
    GPU_UNROLL
    for (int r = 0; r < C::kRowsPerThread; ++r) {
      GPU_UNROLL
      for (int j = 0; j < C::kKeysPerThread; ++j) {
        scores[r][j] = active ? score_of(r, Base::KeyOf(j), scores[r][j]) : MinusInfinity();
      }
    }
    Base::Weigh(scores);
    ShareWeights(scores);
    Barrier();
    if (active) Accumulate(p.head_dim_v);
    Barrier();  // the next tile overwrites keys, values and weights
  }
};

// Output and LSE of the thread's row r with the sink, where they belong. After JoinLanes.
template <typename Work>
GPU_FUNCTION void StoreRow(const AttentionParams& p, Work& work, const Row& row, int r) {
  if (!row.real) return;
  const float factor = AddSink(p, row.head, work.state[r]);
  const std::int64_t at = OutOffset(p, row.token, row.head);
  work.ForEachColumn(r, p.head_dim_v, factor, [&](int column, float x) {
    StoreElement(p.out.element, p.out.data, at + column * p.out.column, x);
  });
  if (work.lane == 0) StoreLse(p, row.token, row.head, work.state[r].Lse());
}

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_GPU_TILE_H_
