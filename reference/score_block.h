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
inline constexpr std::int64_t kKeyTile = 256;
// Where the lines of a block begin or end, as on a causal diagonal: less of such a tile is hidden.
inline constexpr std::int64_t kRaggedTile = 64;

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

// Neighbouring lines of a block.
struct LineRange {
  Eigen::Index first = 0;
  Eigen::Index count = 0;
};

// Some keys, and lines among which are all that see one of them.
struct TileShape {
  KeyRange keys;
  LineRange lines;
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
  RowMajorMatrix scaled;                  // query times scale
  RowMajorMatrix absolute;                // |scaled|; only with errors
  KeyRange hull;                          // the smallest range that holds all of `visible`
  std::vector<std::int64_t> count;        // visible keys of each line
  std::vector<std::uint8_t> seen_by_any;  // [hull]
  std::vector<TileShape> tiles;           // every visible key is in one; in order

  Eigen::Index lines() const { return query.rows(); }
  void Finish(const ScoreRules& rules);
  bool Sees(Eigen::Index line, std::int64_t key) const;
};

// Scores for some keys. Outside a line's range they mean nothing; inside it a masked key has score
// -inf and error 0.
struct ScoreTile : TileShape {
  RowMajorMatrix score;  // [lines, keys]: of line lines.first + i and key keys.first + j
  RowMajorMatrix error;  // dz_j + coh_j before the exponential's share; only with rules.errors
};

// The smallest range that holds all `visible` ranges; {0, 0} if they are empty.
KeyRange HullOf(const std::vector<KeyRange>& visible);

// `keys` are those of the shape, which is one of the block's.
void ComputeScores(const QueryBlock& block, const TileShape& shape, const Gathered& keys,
                   const ScoreRules& rules, ScoreTile* tile);

// Of a line in the tile. Without a visible key the largest score is -inf and the smallest +inf; the
// largest is NaN where a score is NaN or +inf, and the line's weights are no numbers.
double LargestScore(const QueryBlock& block, const ScoreTile& tile, Eigen::Index line);
double SmallestScore(const QueryBlock& block, const ScoreTile& tile, Eigen::Index line);

// Largest score or sink of each line of a block; -inf for a line with neither, NaN for a line one
// of whose scores is NaN or +inf, and for one that sees nothing but scores of -inf.
struct Maximum {
  Eigen::VectorXd max;
  std::vector<bool> flat;  // the line sees keys, and all their scores equal it
};

// weights(i, j) = exp(score - max) for line tile.lines.first + i and key tile.keys.first + j,
// exactly 0 where it is not visible. max: of every line of the block.
void FillWeights(const QueryBlock& block, const ScoreTile& tile, const Eigen::VectorXd& max,
                 RowMajorMatrix* weights);

// Visible part of `tile` for one line; may be empty.
KeyRange Intersect(KeyRange a, KeyRange b);

}  // namespace attest

#endif  // ATTEST_REFERENCE_SCORE_BLOCK_H_
