// SPDX-License-Identifier: Apache-2.0
//
// The deterministic error bound of spec/clauses/numerics.md ("The bound", "The LSE") for a block of
// query lines, from matrix products only. Names of members are the symbols of that text.
#ifndef ATTEST_REFERENCE_BOUND_H_
#define ATTEST_REFERENCE_BOUND_H_

#include <Eigen/Core>
#include <cstdint>
#include <vector>

#include "reference/score_block.h"
#include "spec/vocabulary/arithmetic.h"
#include "spec/vocabulary/problem.h"

namespace attest {

// What an arithmetic class means for one problem. Errors are relative unless said otherwise.
struct BoundRules {
  double u_v = 0.0;         // of a value rounded again, or multiplied by its scale
  double u_p = 0.0;         // of a weight stored for P V; 0 for float32 queries
  double tiny = 0.0;        // absolute: of a subnormal stored weight
  double p_normal = 0.0;    // smallest normal number of the stored weight
  bool flat_exact = true;   // equal weights are stored without error (rounding to nearest)
  bool flushes = false;     // subnormal weights and outputs become 0
  double u_part = 0.0;      // of a split's output
  double part_floor = 0.0;  // absolute: of a subnormal split output
  double eps_exp = 0.0;
  double eps_alpha = 0.0;  // of a rescale factor; also of the logarithm in the LSE
  double c_pv = 0.0;
  double c_l = 0.0;
  double tile_min = 16.0;
  double round_output = 1.0;  // half ulps of the output type
  int out_mantissa_bits = 0;
  int out_min_exponent = 0;
};
BoundRules MakeBoundRules(const Problem& problem, const Arithmetic& arithmetic);

// The same for the score before the exponential.
ScoreRules MakeScoreRules(const Problem& problem, const Arithmetic& arithmetic, bool errors);

// Largest error of storing as output a number whose magnitude lies within size -+ error.
double OutputRounding(const BoundRules& rules, double size, double error);

// Collects the sums of a block, one tile of keys after the other, and turns them into bounds.
class BlockBound {
 public:
  // max: of each line, over all its keys and the sink, as the weights have it. flat: whether all
  // visible scores of a line equal max. All three outlive this.
  BlockBound(const BoundRules& rules, const QueryBlock& block, const Maximum& max,
             Eigen::Index head_dim_v);

  // tile has errors; weights: [lines of the tile, its keys] of FillWeights.
  void AddTile(const ScoreTile& tile, const RowMajorMatrix& weights, const GatheredValues& values);

  // After all tiles: can the range of the values that this very line sees lower its bound? out: its
  // exact output [head_dim_v]; weight_sum: l. The range over all keys of the block is known, and is
  // never less.
  bool WantsRange(Eigen::Index line, const Eigen::Ref<const Eigen::RowVectorXd>& out,
                  double weight_sum) const;
  // For each of `lines`; every tile once, before Finish.
  void AddRanges(const std::vector<Eigen::Index>& lines, const GatheredValues& values);

  // Bound of one line after all tiles. lse: its exact LSE. Elements are finite and >= 0; 0 where
  // the exact number is not finite, and for a line that sees no key.
  void Finish(Eigen::Index line, const Eigen::Ref<const Eigen::RowVectorXd>& out, double weight_sum,
              double lse, Eigen::Ref<Eigen::RowVectorXd> out_bound, double* lse_bound) const;

 private:
  // Sums over the visible keys of a line, with p_j in the place of pi_j.
  struct LineSums {
    double spread = 0.0;   // part of Theta that all keys share: split + resc
    double base_up = 0.0;  // least up_j
    bool flat = false;     // all visible weights are 1
    double theta_max = 0.0;
    double up_max = 0.0;
    double x2 = 0.0;     // sum p X^2
    double w2 = 0.0;     // sum p (X + e^Theta up)^2
    double eup = 0.0;    // sum p e^Theta up
    double whole = 0.0;  // W without the sink, times l
    double low = 0.0;    // sum p e^-Theta (1 - min(1, up))
  };

  // The symbols of one finished line that do not depend on the column.
  struct LineFacts {
    double n = 0.0;
    double m = 0.0;  // |m|
    bool sink = false;
    double pi_s = 0.0;
    double theta_s = 0.0;
    double theta_max = 0.0;  // of the keys and the sink
    double g_pv = 0.0;
    double g_l = 0.0;
    double kept = 1.0;  // 1 - g_l
    double high = 0.0;  // W
    double low = 0.0;   // D / (1 - g_l)
  };

  using Terms = Eigen::Array<double, 1, Eigen::Dynamic>;

  // Smallest and largest value of each column.
  struct ValueRange {
    Eigen::RowVectorXd min;  // empty: of no key
    Eigen::RowVectorXd max;
    void Add(const Eigen::Ref<const Eigen::RowVectorXd>& values);
  };

  // Error of each column before its limits, and the mean size of what splits store.
  struct Errors {
    Terms error;
    Terms parts;
  };

  // The most that a mean of values of this range can be off, and the largest of their sizes.
  struct Limits {
    Terms cap;
    Terms largest;
  };

  double CountOf(Eigen::Index line) const;
  void AddLine(Eigen::Index line, const ScoreTile& tile, const RowMajorMatrix& weights,
               const GatheredValues& values);
  void AddRange(const GatheredValues& values);
  double Growth(double c, double n) const;
  LineFacts FactsOf(Eigen::Index line, double weight_sum) const;
  double LseBound(const LineFacts& facts, double lse) const;
  double Excess(Eigen::Index line, const LineFacts& facts) const;  // r
  Errors ErrorsOf(Eigen::Index line, const LineFacts& facts,
                  const Eigen::Ref<const Eigen::RowVectorXd>& out, double weight_sum) const;
  Limits LimitsOf(const ValueRange& range, Eigen::Index line, const LineFacts& facts,
                  const Eigen::Ref<const Eigen::RowVectorXd>& out) const;
  // Bound of each column before the output is stored.
  Terms Bound(Eigen::Index line, const LineFacts& facts,
              const Eigen::Ref<const Eigen::RowVectorXd>& out, double weight_sum) const;

  const BoundRules& rules_;
  const QueryBlock& block_;
  const Eigen::VectorXd& max_;
  std::vector<LineSums> sums_;
  bool any_extra_ = false;          // in this tile
  RowMajorMatrix grown_;            // p e^Theta, tile by tile
  RowMajorMatrix extra_;            // p e^Theta (up - base_up)
  RowMajorMatrix absolute_;         // |v|
  RowMajorMatrix squares_;          // v^2
  RowMajorMatrix sum_squares_;      // [lines, head_dim_v]: sum p v^2
  RowMajorMatrix sum_grown_;        // sum p e^Theta |v|
  RowMajorMatrix sum_extra_;        // sum p e^Theta (up - base_up) |v|
  ValueRange range_;                // over the keys that some line of the block sees
  std::vector<ValueRange> ranges_;  // [lines], of those that want one; empty if none does
};

}  // namespace attest

#endif  // ATTEST_REFERENCE_BOUND_H_
