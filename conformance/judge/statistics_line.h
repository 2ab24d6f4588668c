// SPDX-License-Identifier: Apache-2.0
//
// The error model of one line for the statistics: how far each column of a right output may lie
// from the exact one when roundings are independent. Symbols: spec/clauses/numerics.md.
#ifndef ATTEST_CONFORMANCE_JUDGE_STATISTICS_LINE_H_
#define ATTEST_CONFORMANCE_JUDGE_STATISTICS_LINE_H_

#include <Eigen/Core>
#include <string>

#include "reference/bound.h"
#include "reference/gather.h"
#include "reference/oracle.h"
#include "spec/vocabulary/arithmetic.h"
#include "spec/vocabulary/problem.h"

namespace attest {

// Standard deviations that no right output exceeds: 2 e^(-8^2 / 2) = 2.5e-14 for each element.
inline constexpr double kBoundDeviations = 8.0;

// All keys of one request and KV head, visible or not, and their squares.
struct StatisticsHead {
  KeysAndValues keys;
  RowMajorMatrix key_squares;
  RowMajorMatrix value_squares;
  std::string not_generic;  // why these values are no symmetric random numbers, or empty
};
StatisticsHead GatherHead(const Problem& problem, const AttentionTensors& tensors, int request,
                          int kv_head);

// Vectors run over all keys of the request and are 0 where a key is invisible.
struct LineModel {
  std::string not_generic;      // why this line is not certified, or empty
  Eigen::VectorXd weight;       // pi_j
  Eigen::VectorXd on_value;     // variance of what acts on v_j: rounding of P and of values
  Eigen::VectorXd on_centred;   // variance of what acts on v_j - o: errors of the score
  Eigen::VectorXd coherent;     // pi_j kap_j: errors of the score that may all have one cause
  Eigen::RowVectorXd own;       // variance of each column alone: output rounding, accumulation
  double common = 0.0;          // largest error along o itself: denominator, rounding in step
  Eigen::RowVectorXd variance;  // of each column, all of the above but `common`
  Eigen::RowVectorXd bound;     // B_prob
};

// `detail`, `out` and `lse` are the exact line of `row` and `q_head`.
LineModel ModelLine(const Problem& problem, const AttentionTensors& tensors,
                    const Arithmetic& arithmetic, const StatisticsHead& head, QueryRow row,
                    int q_head, const LineDetail& detail,
                    const Eigen::Ref<const Eigen::RowVectorXd>& out, double lse);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_JUDGE_STATISTICS_LINE_H_
