// SPDX-License-Identifier: Apache-2.0
//
// Passes over the keys of a block of query lines, one tile after the other, in memory that does not
// grow with the context.
#ifndef ATTEST_REFERENCE_BLOCK_PASS_H_
#define ATTEST_REFERENCE_BLOCK_PASS_H_

#include <Eigen/Core>
#include <functional>

#include "reference/gather.h"
#include "reference/oracle.h"
#include "reference/score_block.h"

namespace attest {

// What one tile of keys gives.
struct TileWork {
  Gathered keys;
  GatheredValues values;
  ScoreTile scores;
  RowMajorMatrix weights;
};

Maximum FindMaximum(const QueryBlock& block, const KeySource& source, ScoreRules rules,
                    TileWork* work);

// sum p v and sum p of each line, the sink among the weights, relative to `max`.
struct BlockSums {
  RowMajorMatrix values;  // [lines, head_dim_v]
  Eigen::VectorXd weights;
  Eigen::VectorXd max;
};

// `max` is that of FindMaximum. visit, if any, is called for each tile.
using TileVisitor = std::function<void(const TileWork&)>;
BlockSums SumOverKeys(const QueryBlock& block, const KeySource& source, const ScoreRules& rules,
                      const Eigen::VectorXd& max, const TileVisitor& visit, TileWork* work);

// Both in one pass: sums are scaled again where a tile raises the maximum.
BlockSums SumWithRunningMaximum(const QueryBlock& block, const KeySource& source,
                                const ScoreRules& rules, TileWork* work);

}  // namespace attest

#endif  // ATTEST_REFERENCE_BLOCK_PASS_H_
