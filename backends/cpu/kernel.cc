// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/kernel.h"

#include <algorithm>
#include <limits>

#include "backends/cpu/vector.h"

namespace attest::cpu {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

using Four = float __attribute__((vector_size(16)));
using Eight = float __attribute__((vector_size(32)));

// Numbers column .. column + 3 of row i, and behind them those of row i + 4.
inline Eight LoadTwo(const float* const* rows, int i, int column) {
  Four low;
  Four high;
  std::memcpy(&low, rows[i] + column, sizeof(low));
  std::memcpy(&high, rows[i + 4] + column, sizeof(high));
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7);
}

// Four columns of eight rows, each as one vector; in shuffles that a processor has.
inline void TransposeFour(const float* const* rows, int column, Eight* columns) {
  const Eight a = LoadTwo(rows, 0, column);
  const Eight b = LoadTwo(rows, 1, column);
  const Eight c = LoadTwo(rows, 2, column);
  const Eight d = LoadTwo(rows, 3, column);
  const Eight ab_low = __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13);
  const Eight ab_high = __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15);
  const Eight cd_low = __builtin_shufflevector(c, d, 0, 8, 1, 9, 4, 12, 5, 13);
  const Eight cd_high = __builtin_shufflevector(c, d, 2, 10, 3, 11, 6, 14, 7, 15);
  columns[0] = __builtin_shufflevector(ab_low, cd_low, 0, 1, 8, 9, 4, 5, 12, 13);
  columns[1] = __builtin_shufflevector(ab_low, cd_low, 2, 3, 10, 11, 6, 7, 14, 15);
  columns[2] = __builtin_shufflevector(ab_high, cd_high, 0, 1, 8, 9, 4, 5, 12, 13);
  columns[3] = __builtin_shufflevector(ab_high, cd_high, 2, 3, 10, 11, 6, 7, 14, 15);
}

// The rows' accumulators, kVectors a row, stay in registers over all keys of the tile.
template <int kRows, int kVectors, typename ValueAt>
void Weigh(const float* weights, const float* rescale, int first, int last, float* sums, int pitch,
           ValueAt value_at) {
  Lanes sum[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int i = 0; i < kVectors; ++i) {
      sum[r][i] = LoadLanes(sums + r * pitch + i * kLanes) * rescale[r];
    }
  }
  for (int k = first; k < last; ++k) {
    const float* value = value_at(k);
    Lanes part[kVectors];
    for (int i = 0; i < kVectors; ++i) part[i] = LoadLanes(value + i * kLanes);
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      const float weight = weights[r * kKeyTile + k];
      for (int i = 0; i < kVectors; ++i) sum[r][i] += weight * part[i];
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int i = 0; i < kVectors; ++i) StoreLanes(sum[r][i], sums + r * pitch + i * kLanes);
  }
}

// kRows queries against 8 * kGroups keys. Each product is summed column by column, as in
// ScoreBlock, so that a row gets the same bits from either.
template <int kRows, int kGroups>
void ScoreKeys(const float* queries, int pitch, const float* const* keys, int head_dim,
               float* scores) {
  Eight sum[kRows][kGroups] = {};
  int d = 0;
  for (; d + 4 <= head_dim; d += 4) {
#pragma GCC unroll 4
    for (int g = 0; g < kGroups; ++g) {
      Eight columns[4];
      TransposeFour(keys + 8 * g, d, columns);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r) sum[r][g] += queries[r * pitch + d + i] * columns[i];
      }
    }
  }
  for (; d < head_dim; ++d) {
    for (int g = 0; g < kGroups; ++g) {
      Eight column;
      for (int i = 0; i < 8; ++i) column[i] = keys[8 * g + i][d];
      for (int r = 0; r < kRows; ++r) sum[r][g] += queries[r * pitch + d] * column;
    }
  }
  for (int r = 0; r < kRows; ++r) {
    std::memcpy(scores + r * kKeyTile, sum[r], sizeof(sum[r]));
  }
}

// Calls run(std::integral_constant<int, n>) for n = min(count, 4): the widest step for `count`
// rows.
template <typename Run>
int StepOfRows(int count, Run run) {
  switch (count) {
    case 1:
      run(std::integral_constant<int, 1>{});
      return 1;
    case 2:
      run(std::integral_constant<int, 2>{});
      return 2;
    case 3:
      run(std::integral_constant<int, 3>{});
      return 3;
    default:
      run(std::integral_constant<int, 4>{});
      return 4;
  }
}

}  // namespace

void PackKeys(const float* const* rows, int head_dim, float* packed) {
  const int whole = head_dim / 4 * 4;
  for (int panel = 0; panel < kKeyTile / kPanel; ++panel, rows += kPanel) {
    for (int d = 0; d < whole; d += 4) {
      for (int j = 0; j < kPanel; j += 8) {
        Eight columns[4];
        TransposeFour(rows + j, d, columns);
        for (int i = 0; i < 4; ++i) {
          std::memcpy(packed + (d + i) * kPanel + j, &columns[i], sizeof(Eight));
        }
      }
    }
    for (int d = whole; d < head_dim; ++d) {
      for (int j = 0; j < kPanel; ++j) packed[d * kPanel + j] = rows[j][d];
    }
    packed += head_dim * kPanel;
  }
}

bool PackValues(const float* const* rows, int head_dim, float* packed) {
  bool finite = true;
  for (int c = 0; c < head_dim; c += kPanel) {
    const int columns = std::min(kPanel, head_dim - c);
    Lanes zeros = {};  // stays 0 unless an infinity or a NaN is multiplied with 0
    for (int k = 0; k < kKeyTile; ++k, packed += kPanel) {
      if (columns < kPanel) std::fill(packed + columns, packed + kPanel, 0.0F);
      std::copy(rows[k] + c, rows[k] + c + columns, packed);
      zeros += LoadLanes(packed) * 0.0F + LoadLanes(packed + kLanes) * 0.0F;
    }
    finite = finite && SumOf(zeros) == 0.0F;
  }
  return !finite;
}

void PackQueries(const float* const* rows, int count, int head_dim, float* packed) {
  for (int r = 0; r < kBlockRows; ++r) {
    for (int d = 0; d < head_dim; ++d) packed[d * kBlockRows + r] = r < count ? rows[r][d] : 0.0F;
  }
}

void ScoreBlock(const float* packed_queries, const float* packed_panel, int head_dim,
                float* scores) {
  Lanes sum[kBlockRows][2] = {};
  for (int d = 0; d < head_dim; ++d) {
    const Lanes left = LoadLanes(packed_panel);
    const Lanes right = LoadLanes(packed_panel + kLanes);
#pragma GCC unroll 12
    for (int r = 0; r < kBlockRows; ++r) {
      sum[r][0] += packed_queries[r] * left;
      sum[r][1] += packed_queries[r] * right;
    }
    packed_panel += kPanel;
    packed_queries += kBlockRows;
  }
  for (int r = 0; r < kBlockRows; ++r) {
    StoreLanes(sum[r][0], scores + r * kKeyTile);
    StoreLanes(sum[r][1], scores + r * kKeyTile + kLanes);
  }
}

void WeighBlock(const float* weights, const float* rescale, const float* packed_panel, int first,
                int last, float* sums, int pitch) {
  Weigh<kBlockRows, 2>(weights, rescale, first, last, sums, pitch,
                       [=](int k) { return packed_panel + k * kPanel; });
}

void WeighRow(const float* weights, float rescale, const float* packed_panel, int first, int last,
              float* sums) {
  Weigh<1, 2>(weights, &rescale, first, last, sums, 0,
              [=](int k) { return packed_panel + k * kPanel; });
}

void ScoreFew(const float* queries, int pitch, int count, const float* const* keys, int first,
              int last, int head_dim, float* scores) {
  for (int r = 0; r < count;) {
    r += StepOfRows(count - r, [&](auto rows) {
      const float* query = queries + r * pitch;
      float* to = scores + r * kKeyTile;
      constexpr int kGroups = rows() == 1 ? 4 : 1;  // four sums hide the latency of each
      for (int j = first / (8 * kGroups) * (8 * kGroups); j < last; j += 8 * kGroups) {
        ScoreKeys<rows(), kGroups>(query, pitch, keys + j, head_dim, to + j);
      }
    });
  }
}

void WeighFew(const float* weights, const float* rescale, int count, const float* const* values,
              int first, int last, int columns, float* sums, int pitch) {
  for (int r = 0; r < count;) {
    r += StepOfRows(count - r, [&](auto rows) {
      const auto weigh = [&](auto vectors, int c) {
        Weigh<rows(), vectors()>(weights + r * kKeyTile, rescale + r, first, last,
                                 sums + r * pitch + c, pitch, [=](int k) { return values[k] + c; });
      };
      constexpr int kWide = rows() == 1 ? 8 : 4;  // enough sums to hide the latency of each
      int c = 0;
      for (; c + kWide * kLanes <= columns; c += kWide * kLanes) {
        weigh(std::integral_constant<int, kWide>{}, c);
      }
      for (; c < columns; c += kPanel) weigh(std::integral_constant<int, 2>{}, c);
    });
  }
}

bool AnyNotFinite(const float* const* rows, int first, int last, int columns) {
  for (int k = first; k < last; ++k) {
    float zero = 0.0F;  // stays 0 unless an infinity or a NaN is multiplied with 0
    for (int c = 0; c < columns; ++c) zero += rows[k][c] * 0.0F;
    if (zero != 0.0F) return true;
  }
  return false;
}

void ShapeScores(float* products, float scale, float softcap, const float* bias) {
  for (int j = 0; j < kKeyTile; j += kLanes) {
    Lanes score = LoadLanes(products + j) * scale;
    if (softcap > 0.0F) score = Tanh(score / softcap) * softcap;
    if (bias != nullptr) score += LoadLanes(bias + j);
    StoreLanes(score, products + j);
  }
}

float SoftmaxTile(float* products, std::uint64_t seen, float scale, RowState& state) {
  Lanes highest = Broadcast(-kInfinity);
  IntLanes bit;
  for (int i = 0; i < kLanes; ++i) bit[i] = 1 << i;
  for (int j = 0; j < kKeyTile; j += kLanes) {
    const IntLanes visible = (bit & static_cast<std::int32_t>(seen >> j & 0xffff)) == bit;
    const Lanes score = visible ? LoadLanes(products + j) * scale : Broadcast(-kInfinity);
    StoreLanes(score, products + j);
    highest = score > highest ? score : highest;
  }
  const float maximum = std::max(state.maximum, MaximumOf(highest));
  // Nothing seen so far: any finite reference turns -inf into weight 0, and NaN stays NaN.
  const float reference = maximum == -kInfinity ? 0.0F : maximum;
  Lanes sum = {};
  for (int j = 0; j < kKeyTile; j += kLanes) {
    const Lanes weight = Exp(LoadLanes(products + j) - reference);
    StoreLanes(weight, products + j);
    sum += weight;
  }
  const float rescale = Exp(Broadcast(state.maximum - reference))[0];
  state = {maximum, state.sum * rescale + SumOf(sum)};
  return rescale;
}

}  // namespace attest::cpu
