// SPDX-License-Identifier: Apache-2.0
//
// Scores and softmax weights of a block of query lines against the keys of one KV head, one tile of
// keys at a time: nothing here grows with the context but one byte a key. A line is one query row
// of one query head. Order of a score: scale, softcap, additive mask, ALiBi, mask.
#ifndef ATTEST_REFERENCE_SCORE_BLOCK_H_
#define ATTEST_REFERENCE_SCORE_BLOCK_H_

#include <Eigen/Core>
#include <cstdint>
#include <vector>

#include "reference/gather.h"
#include "reference/oracle.h"
#include "spec/vocabulary/mask.h"

namespace attest {

// Keys in one tile: its scores, keys and values stay in the caches near a core.
inline constexpr std::int64_t kKeyTile = 512;

// How a score comes about, and how well the arithmetic class keeps it (spec/clauses/numerics.md,
// "The error of a log-weight"). With `errors` false only the first two count.
struct ScoreRules {
  double scale = 1.0;
  double softcap = 0.0;   // 0: none
  bool errors = false;    // fill ScoreTile::error
  double product = 0.0;   // (1 + g)(1 + u_q)(1 + u_k)(1 + u_d) - 1: of S_j
  double u_s = 0.0;       // of a score stored in 16 bit
  double eps_tanh = 0.0;  // relative
};

struct QueryBlock {
  RowMajorMatrix query;  // [lines, head_dim_qk]
  // The smallest range that holds what each line sees. Every key in it is visible unless `seen` has
  // bytes: then seen[line][i] says whether key visible[line].first + i is.
  std::vector<KeyRange> visible;
  std::vector<std::vector<std::uint8_t>> seen;  // one a line, or none at all
  std::vector<double> sink;                     // one a line, or none at all
  std::vector<LineBias> bias;                   // one a line, or none at all

  // Filled by Finish from what stands above.
  KeyRange hull;                          // the smallest range that holds all of `visible`
  std::vector<std::int64_t> count;        // visible keys of each line
  std::vector<std::uint8_t> seen_by_any;  // [hull]

  Eigen::Index lines() const { return query.rows(); }
  void Finish();
  bool Sees(Eigen::Index line, std::int64_t key) const;
  // Does any line see a key of `tile`, which lies in the hull?
  bool Touches(KeyRange tile) const;
};

// Scores for some keys. Outside a line's range they mean nothing; inside it a masked key has score
// -inf and error 0.
struct ScoreTile {
  KeyRange keys;         // column i of the matrices is key keys.first + i
  RowMajorMatrix score;  // [lines, keys]
  RowMajorMatrix error;  // dz_j + coh_j before the exponential's share; only with rules.errors
};

// The smallest range that holds all `visible` ranges; {0, 0} if they are empty.
KeyRange HullOf(const std::vector<KeyRange>& visible);

// The tile is keys.range, which lies in the hull of the block.
void ComputeScores(const QueryBlock& block, const Gathered& keys, const ScoreRules& rules,
                   ScoreTile* tile);

// Smallest and largest score of a line in the tile. Without a visible key largest is -inf and
// smallest +inf; largest is NaN where a score is NaN or +inf, and the line's weights are no
// numbers.
struct Extremes {
  double smallest;
  double largest;
};
Extremes ExtremesOf(const QueryBlock& block, const ScoreTile& tile, Eigen::Index line);

// weights(line, i) = exp(score - max[line]) for key tile.keys.first + i, exactly 0 where it is not
// visible. `weights` is [lines, keys].
void FillWeights(const QueryBlock& block, const ScoreTile& tile, const Eigen::VectorXd& max,
                 RowMajorMatrix* weights);

// Visible part of `tile` for one line; may be empty.
KeyRange Intersect(KeyRange a, KeyRange b);

}  // namespace attest

#endif  // ATTEST_REFERENCE_SCORE_BLOCK_H_
