// SPDX-License-Identifier: Apache-2.0
//
// TileWork (tile.h) on a matrix unit, for queries and caches of one 16-bit type. A warp has 16
// rows; the fragments of the scores are, register by register, those of the weights, so weights
// never leave their thread.
#ifndef ATTEST_BACKENDS_GPU_TENSOR_TILE_H_
#define ATTEST_BACKENDS_GPU_TENSOR_TILE_H_

#include <cstddef>
#include <cstdint>

#include "backends/gpu/matrix_unit.h"
#include "backends/gpu/tile.h"

#if GPU_HAS_MATRIX_UNIT

namespace attest::gpu {

struct TensorLayout {
  GPU_FUNCTION static int Row(int thread, int r) {
    return thread / 32 * 16 + thread % 32 / 4 + r * 8;
  }
  GPU_FUNCTION static int Key(int lane, int j) { return j / 2 * 8 + lane * 2 + j % 2; }
  GPU_FUNCTION static int Column(int lane, int c) { return c / 2 * 8 + lane * 2 + c % 2; }
};

template <typename Config, Element kElement>
struct TensorTileWork : RowSums<Config, TensorLayout> {
  using C = Config;
  using Base = RowSums<Config, TensorLayout>;
  using Base::lane;
  using Base::sums;

  // Eight more than the row: the four lanes and eight rows of a fragment then meet 32 banks.
  static constexpr int kPitch = C::kColumns + 8;
  static constexpr int kKeyPitch = C::kKeys + 8;
  static constexpr std::size_t kSharedBytes =
      sizeof(std::uint16_t) * (C::kRows * kPitch + C::kKeys * kPitch + C::kColumns * kKeyPitch);

  std::uint16_t* query;  // [kRows][kPitch]
  std::uint16_t* key;    // [kKeys][kPitch]
  std::uint16_t* value;  // [kColumns][kKeyPitch]: transposed, keys side by side
  int fragment_row;      // of the warp's 16: lane / 4

  GPU_FUNCTION TensorTileWork() {
    query = static_cast<std::uint16_t*>(SharedMemory());
    key = query + C::kRows * kPitch;
    value = key + C::kKeys * kPitch;
    fragment_row = ThreadX() % 32 / 4;
  }

  GPU_FUNCTION static int RoundedUp(int width) { return (width + 15) / 16 * 16; }

  // `count` rows of tokens or keys; columns up to the next multiple of 16 and rows that are not
  // needed are zeros, for they meet others in the sums of a product.
  template <bool kTransposed, typename Needed, typename OffsetOfRow>
  GPU_FUNCTION static void Copy(const void* data, std::int64_t column_stride, int width, int count,
                                std::uint16_t* to, Needed needed, OffsetOfRow offset_of) {
    const int columns = RoundedUp(width);
    const auto* const from = static_cast<const std::uint16_t*>(data);
    for (int i = ThreadX(); i < count * (columns / kLoadWidth); i += C::kThreads) {
      const int row = i / (columns / kLoadWidth);
      const int column = i % (columns / kLoadWidth) * kLoadWidth;
      const bool real = needed(row) && column < width;
      const std::int64_t at = real ? offset_of(row, column) : 0;
      for (int e = 0; e < kLoadWidth; ++e) {
        to[kTransposed ? (column + e) * kKeyPitch + row : row * kPitch + column + e] =
            real && column + e < width ? from[at + e * column_stride] : std::uint16_t{0};
      }
    }
  }

  GPU_FUNCTION void LoadQuery(const AttentionParams& p, const RowTile& tile, int kv_head) {
    Copy<false>(
        p.query.data, p.query.column, p.head_dim_qk, C::kRows, query,
        [&](int row) { return row < tile.rows; },
        [&](int index, int column) {
          const Row row = RowOf(p, tile, kv_head, index);
          return row.token * p.query.token + row.head * p.query.head + column * p.query.column;
        });
  }

  // Two neighbouring numbers.
  GPU_FUNCTION static std::uint32_t PairAt(const std::uint16_t* at) {
#if GPU_ON_DEVICE
    return *reinterpret_cast<const std::uint32_t*>(at);
#else
    std::uint32_t pair;
    memcpy(&pair, at, sizeof(pair));
    return pair;
#endif
  }

  GPU_FUNCTION void Multiply(int width, typename Base::Scores& scores) {
    constexpr int kTiles = C::kKeys / 8;
    float c[kTiles][4];
    GPU_UNROLL
    for (int i = 0; i < kTiles * 4; ++i) c[i / 4][i % 4] = 0.0F;
    const std::uint16_t* const q = query + Base::RowIndex(0) * kPitch + lane * 2;
    const std::uint16_t* const k = key + fragment_row * kPitch + lane * 2;
    for (int d = 0; d < width; d += 16) {
      const std::uint32_t a[4] = {PairAt(q + d), PairAt(q + 8 * kPitch + d), PairAt(q + d + 8),
                                  PairAt(q + 8 * kPitch + d + 8)};
      GPU_UNROLL
      for (int n = 0; n < kTiles; ++n) {
        const std::uint16_t* const own = k + n * 8 * kPitch + d;
        const std::uint32_t b[2] = {PairAt(own), PairAt(own + 8)};
        MultiplyAdd<kElement>(c[n], a, b);
      }
    }
    GPU_UNROLL
    for (int i = 0; i < kTiles * 4; ++i) scores[i % 4 / 2][i / 4 * 2 + i % 2] = c[i / 4][i % 4];
  }

  GPU_FUNCTION void Accumulate(int width, const typename Base::Scores& weights) {
    GPU_UNROLL
    for (int j = 0; j < C::kKeysPerThread; j += 4) {  // 16 keys: four of each thread
      const std::uint32_t a[4] = {Packed<kElement>(weights[0][j], weights[0][j + 1]),
                                  Packed<kElement>(weights[1][j], weights[1][j + 1]),
                                  Packed<kElement>(weights[0][j + 2], weights[0][j + 3]),
                                  Packed<kElement>(weights[1][j + 2], weights[1][j + 3])};
      const std::uint16_t* const v = value + fragment_row * kKeyPitch + j * 4 + lane * 2;
      GPU_UNROLL
      for (int n = 0; n < C::kSums / 2; ++n) {
        if (n * 8 >= width) continue;
        const std::uint16_t* const own = v + n * 8 * kKeyPitch;
        const std::uint32_t b[2] = {PairAt(own), PairAt(own + 8)};
        float c[4] = {sums[0][n * 2], sums[0][n * 2 + 1], sums[1][n * 2], sums[1][n * 2 + 1]};
        MultiplyAdd<kElement>(c, a, b);
        sums[0][n * 2] = c[0];
        sums[0][n * 2 + 1] = c[1];
        sums[1][n * 2] = c[2];
        sums[1][n * 2 + 1] = c[3];
      }
    }
  }

  // As TileWork's. All lanes of a warp multiply, whether their rows are real or not.
  template <typename Needed, typename PlaceOfKey, typename ScoreOf>
  GPU_FUNCTION void Visit(const AttentionParams& p, const RowView& keys, const RowView& values,
                          int kv_head, bool /*active*/, Needed needed, PlaceOfKey place_of,
                          ScoreOf score_of) {
    Copy<false>(keys.data, keys.column, p.head_dim_qk, C::kKeys, key, needed,
                [&](int j, int column) {
                  return OffsetOf(keys, place_of(j), kv_head) + ColumnOffset(keys, column);
                });
    Copy<true>(values.data, values.column, p.head_dim_v, C::kKeys, value, needed,
               [&](int j, int column) {
                 return OffsetOf(values, place_of(j), kv_head) + ColumnOffset(values, column);
               });
    Barrier();
    typename Base::Scores scores;
    Multiply(p.head_dim_qk, scores);
    GPU_UNROLL
    for (int r = 0; r < C::kRowsPerThread; ++r) {
      GPU_UNROLL
      for (int j = 0; j < C::kKeysPerThread; ++j) {
        scores[r][j] = score_of(r, Base::KeyOf(j), scores[r][j]);
      }
    }
    Base::Weigh(scores);
    Accumulate(p.head_dim_v, scores);
    Barrier();  // the next tile overwrites keys and values
  }
};

}  // namespace attest::gpu

#endif  // GPU_HAS_MATRIX_UNIT

#endif  // ATTEST_BACKENDS_GPU_TENSOR_TILE_H_
