// SPDX-License-Identifier: Apache-2.0
//
// Scores and softmax weights of a block of query lines against the keys of one KV head. A line is
// one query row of one query head. Order of a score: scale, softcap, additive mask, ALiBi, mask.
#ifndef ATTEST_REFERENCE_SCORE_BLOCK_H_
#define ATTEST_REFERENCE_SCORE_BLOCK_H_

#include <Eigen/Core>
#include <cstdint>
#include <vector>

#include "reference/gather.h"
#include "reference/oracle.h"
#include "spec/vocabulary/mask.h"

namespace attest {

// Keys in one step of a block's work: its part of K and V stays in the second-level cache.
inline constexpr std::int64_t kKeyTile = 512;

struct QueryLines {
  RowMajorMatrix query;  // [lines, head_dim_qk]
  // The smallest range that holds what each line sees. Every key in it is visible unless `seen` has
  // bytes: then seen[line][i] says whether key visible[line].first + i is.
  std::vector<KeyRange> visible;
  std::vector<std::vector<std::uint8_t>> seen;  // one a line, or none at all
  std::vector<double> sink;                     // one a line, or none at all
  std::vector<LineBias> bias;                   // one a line, or none at all
};

// How a score comes about, and how well the arithmetic class keeps it (spec/clauses/numerics.md,
// "The error of a log-weight"). With `errors` false only the first two count.
struct ScoreRules {
  double scale = 1.0;
  double softcap = 0.0;   // 0: none
  bool errors = false;    // fill ScoreBlock::error
  double product = 0.0;   // (1 + g)(1 + u_q)(1 + u_k)(1 + u_d) - 1: of S_j
  double u_s = 0.0;       // of a score stored in 16 bit
  double eps_tanh = 0.0;  // relative
};

struct ScoreBlock {
  KeyRange hull;                  // column i of the matrices is key hull.first + i
  std::vector<KeyRange> visible;  // of each line, as in QueryLines
  std::vector<std::vector<std::uint8_t>> seen;
  std::vector<std::int64_t> count;        // visible keys of each line
  std::vector<std::uint8_t> seen_by_any;  // [hull]
  // [lines, hull]. Means nothing outside a line's range; inside it a masked key has score -inf and
  // error 0.
  RowMajorMatrix score;
  RowMajorMatrix error;  // dz_j + coh_j before the exponential's share; empty unless asked for
  std::vector<double> sink;
  // Largest visible score or the sink; -inf for a line with neither, NaN for a line one of whose
  // scores is NaN or +inf: its weights are not numbers.
  Eigen::VectorXd max;

  bool Sees(Eigen::Index line, std::int64_t key) const;
  // Does any line see a key of `tile`? Columns of other tiles are not filled.
  bool Touches(KeyRange tile) const;
};

// The smallest range that holds all `visible` ranges; {0, 0} if they are empty.
KeyRange HullOf(const std::vector<KeyRange>& visible);

ScoreBlock ComputeScores(const QueryLines& lines, const KeysAndValues& keys,
                         const ScoreRules& rules);

// weights(line, i) = exp(score - max) for key tile.first + i, exactly 0 where it is not visible.
// `weights` is [lines, tile]; some line sees a key of the tile.
void FillWeights(const ScoreBlock& block, KeyRange tile, Eigen::Ref<RowMajorMatrix> weights);

// Visible part of `tile` for one line; may be empty.
KeyRange Intersect(KeyRange a, KeyRange b);

}  // namespace attest

#endif  // ATTEST_REFERENCE_SCORE_BLOCK_H_
