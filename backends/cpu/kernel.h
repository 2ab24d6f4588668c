// SPDX-License-Identifier: Apache-2.0
//
// The inner loops on float32, in vectors. Every result is a fixed function of its own row and keys:
// no row's bits depend on which rows share its block.
#ifndef ATTEST_BACKENDS_CPU_KERNEL_H_
#define ATTEST_BACKENDS_CPU_KERNEL_H_

#include <cstdint>

namespace attest::cpu {

#if defined(__AVX512F__)
inline constexpr int kLanes = 16;
inline constexpr int kBlockRows = 12;  // 24 accumulators of 32 registers
#else
inline constexpr int kLanes = 8;
inline constexpr int kBlockRows = 6;  // 12 accumulators of 16 registers
#endif
inline constexpr int kPanel = 2 * kLanes;  // columns of a block: keys, or columns of the values
inline constexpr int kKeyTile = 64;        // keys that are read at a time

constexpr int RoundUp(int value, int step) { return (value + step - 1) / step * step; }

// ---- Blocks of kBlockRows rows

// Keys of a tile as [kKeyTile / kPanel][head_dim][kPanel]. `rows` has kKeyTile addresses.
void PackKeys(const float* const* rows, int head_dim, float* packed);
// Values of a tile as [columns / kPanel][kKeyTile][kPanel], padded with 0. True if one of them is
// not finite.
bool PackValues(const float* const* rows, int head_dim, float* packed);
// kBlockRows queries as [head_dim][kBlockRows]; rows from `count` on are 0.
void PackQueries(const float* const* rows, int count, int head_dim, float* packed);

// scores[r * kKeyTile + j] = query r . key j, for kBlockRows rows and the kPanel keys of a panel.
void ScoreBlock(const float* packed_queries, const float* packed_panel, int head_dim,
                float* scores);

// sums[r * pitch + c] = sums * rescale[r] + sum over first <= k < last of weights[r * kKeyTile + k]
// * value k, for kBlockRows rows and the kPanel columns of a panel.
void WeighBlock(const float* weights, const float* rescale, const float* packed_panel, int first,
                int last, float* sums, int pitch);
// The same for one row.
void WeighRow(const float* weights, float rescale, const float* packed_panel, int first, int last,
              float* sums);

// True if one of the first `columns` numbers of a row first <= k < last is not finite.
bool AnyNotFinite(const float* const* rows, int first, int last, int columns);

// ---- A few rows; keys and values where they lie

// Keys first <= j < last, and perhaps others of the tile, against `count` queries [count][pitch].
// The bits of a product are those of ScoreBlock.
void ScoreFew(const float* queries, int pitch, int count, const float* const* keys, int first,
              int last, int head_dim, float* scores);
// Columns are a multiple of kPanel.
void WeighFew(const float* weights, const float* rescale, int count, const float* const* values,
              int first, int last, int columns, float* sums, int pitch);

// ---- Softmax

struct RowState {
  float maximum;  // of the scores so far; -inf before the first
  float sum;      // of the weights, relative to it
};

// Turns the kKeyTile products of a row into scores: scale, softcap (0: none), bias (NULL: none).
void ShapeScores(float* products, float scale, float softcap, const float* bias);

// Turns the kKeyTile products of a row into weights relative to the new maximum: e^(scale * product
// - maximum) where bit j of `seen` is set, 0 elsewhere, whatever stood there. Returns the factor by
// which earlier sums must be multiplied.
float SoftmaxTile(float* products, std::uint64_t seen, float scale, RowState& state);

}  // namespace attest::cpu

#endif  // ATTEST_BACKENDS_CPU_KERNEL_H_
