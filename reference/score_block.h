// SPDX-License-Identifier: Apache-2.0
//
// Scores and softmax weights of a block of query lines against the keys of one KV head. A line is
// one query row of one query head.
#ifndef ATTEST_REFERENCE_SCORE_BLOCK_H_
#define ATTEST_REFERENCE_SCORE_BLOCK_H_

#include <Eigen/Core>
#include <cstdint>
#include <vector>

#include "reference/gather.h"
#include "reference/oracle.h"
#include "spec/vocabulary/mask.h"

namespace attest {

struct QueryLines {
  RowMajorMatrix query;           // [lines, head_dim_qk]
  std::vector<KeyRange> visible;  // every key in it is visible, no other is
  std::vector<double> sink;       // one a line, or none at all
};

struct ScoreBlock {
  KeyRange hull;                  // column i of the matrices is key hull.first + i
  std::vector<KeyRange> visible;  // of each line
  RowMajorMatrix score;           // [lines, hull]; means nothing outside `visible`
  RowMajorMatrix magnitude;       // |scale| * sum |q||k|, for the bound; empty unless asked for
  std::vector<double> sink;
  // Largest visible score or the sink; -inf for a line with neither, NaN for a line one of whose
  // scores is NaN or +inf: its weights are not numbers.
  Eigen::VectorXd max;
};

// The smallest range that holds all `visible` ranges; {0, 0} if they are empty.
KeyRange HullOf(const std::vector<KeyRange>& visible);

ScoreBlock ComputeScores(const QueryLines& lines, const KeysAndValues& keys, double scale,
                         bool magnitudes);

// weights(line, i) = exp(score - max) for key tile.first + i, exactly 0 where it is not visible.
// `weights` is [lines, tile].
void FillWeights(const ScoreBlock& block, KeyRange tile, Eigen::Ref<RowMajorMatrix> weights);

// Visible part of `tile` for one line; may be empty.
KeyRange Intersect(KeyRange a, KeyRange b);

}  // namespace attest

#endif  // ATTEST_REFERENCE_SCORE_BLOCK_H_
