// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/kernel.h"

#include <algorithm>
#include <limits>

#include "backends/cpu/vector.h"

namespace attest::cpu {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

using Eight = float __attribute__((vector_size(32)));

// Eight rows of eight numbers at rows[0 .. 7] + column, transposed.
inline void TransposeEight(const float* const* rows, int column, Eight* columns) {
  Eight a[8];
  Eight b[8];
  for (int i = 0; i < 8; ++i) std::memcpy(&a[i], rows[i] + column, sizeof(Eight));
  for (int i = 0; i < 8; i += 2) {
    b[i] = __builtin_shufflevector(a[i], a[i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
    b[i + 1] = __builtin_shufflevector(a[i], a[i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
  }
  for (int i = 0; i < 8; i += 4) {
    for (int j = i; j < i + 2; ++j) {
      a[j] = __builtin_shufflevector(b[j], b[j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      a[j + 2] = __builtin_shufflevector(b[j], b[j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  }
  for (int j = 0; j < 4; ++j) {
    columns[j] = __builtin_shufflevector(a[j], a[j + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    columns[j + 4] = __builtin_shufflevector(a[j], a[j + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

// The rows' accumulators stay in registers over all keys of the tile.
template <int kRows, typename ValueAt>
void Weigh(const float* weights, const float* rescale, int first, int last, float* sums, int pitch,
           ValueAt value_at) {
  Lanes sum[kRows][2];
  for (int r = 0; r < kRows; ++r) {
    sum[r][0] = LoadLanes(sums + r * pitch) * rescale[r];
    sum[r][1] = LoadLanes(sums + r * pitch + kLanes) * rescale[r];
  }
  for (int k = first; k < last; ++k) {
    const float* value = value_at(k);
    const Lanes left = LoadLanes(value);
    const Lanes right = LoadLanes(value + kLanes);
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      const float weight = weights[r * kKeyTile + k];
      sum[r][0] += weight * left;
      sum[r][1] += weight * right;
    }
  }
  for (int r = 0; r < kRows; ++r) {
    StoreLanes(sum[r][0], sums + r * pitch);
    StoreLanes(sum[r][1], sums + r * pitch + kLanes);
  }
}

// kRows queries against 8 * kGroups keys. Each product is summed column by column, as in
// ScoreBlock, so that a row gets the same bits from either.
template <int kRows, int kGroups>
void ScoreKeys(const float* queries, int pitch, const float* const* keys, int head_dim,
               float* scores) {
  Eight sum[kRows][kGroups] = {};
  int d = 0;
  for (; d + 8 <= head_dim; d += 8) {
    for (int g = 0; g < kGroups; ++g) {
      Eight columns[8];
      TransposeEight(keys + 8 * g, d, columns);
      for (int i = 0; i < 8; ++i) {
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
  const int whole = head_dim / 8 * 8;
  for (int panel = 0; panel < kKeyTile / kPanel; ++panel, rows += kPanel) {
    for (int d = 0; d < whole; d += 8) {
      for (int j = 0; j < kPanel; j += 8) {
        Eight columns[8];
        TransposeEight(rows + j, d, columns);
        for (int i = 0; i < 8; ++i) {
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
  Weigh<kBlockRows>(weights, rescale, first, last, sums, pitch,
                    [=](int k) { return packed_panel + k * kPanel; });
}

void WeighRow(const float* weights, float rescale, const float* packed_panel, int first, int last,
              float* sums) {
  Weigh<1>(weights, &rescale, first, last, sums, 0,
           [=](int k) { return packed_panel + k * kPanel; });
}

void ScoreFew(const float* queries, int pitch, int count, const float* const* keys, int first,
              int last, int head_dim, float* scores) {
  for (int r = 0; r < count;) {
    r += StepOfRows(count - r, [&](auto rows) {
      const float* query = queries + r * pitch;
      float* to = scores + r * kKeyTile;
      constexpr int kGroups = rows() == 1 ? 4 : 1;  // four sums keep the arithmetic busy
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
      for (int c = 0; c < columns; c += kPanel) {
        Weigh<rows()>(weights + r * kKeyTile, rescale + r, first, last, sums + r * pitch + c, pitch,
                      [=](int k) { return values[k] + c; });
      }
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
