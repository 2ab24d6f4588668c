// SPDX-License-Identifier: Apache-2.0
//
// Counts of error over bound, by what was judged. A tally does not depend on the order in which
// rows are added, so threads may share the work.
#ifndef ATTEST_CONFORMANCE_STUDY_TALLY_H_
#define ATTEST_CONFORMANCE_STUDY_TALLY_H_

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace attest {

// Ratios >= 0, in 16 bins to a power of two from 2^-40 to 2^8; quantiles are right to 1 in 16.
class RatioCounts {
 public:
  void Add(double ratio);
  void Add(const RatioCounts& other);
  std::uint64_t count() const { return count_; }
  double max() const { return max_; }  // exact
  double Quantile(double share) const;

 private:
  static constexpr int kPerOctave = 16;
  static constexpr int kFirstOctave = -40;
  static constexpr int kLastOctave = 8;
  static constexpr int kBins = (kLastOctave - kFirstOctave) * kPerOctave;

  std::uint64_t count_ = 0;
  std::uint64_t tiny_ = 0;  // below the first bin; 0 above all
  double max_ = 0.0;
  std::array<std::uint64_t, kBins> bins_{};
};

// Of the rows that share a label.
struct GroupTally {
  std::uint64_t violations = 0;  // rows with a number outside its bound
  RatioCounts elements;          // outputs
  RatioCounts rows;              // the largest of each row's outputs
  RatioCounts lse;

  void Add(const GroupTally& other);
};

// What one judged row showed.
struct RowRatios {
  std::vector<double> out;  // error over bound of each column
  double lse = 0.0;
};
// error / bound: 0 where there is no error, infinity where either is NaN.
double ErrorRatio(double got, double expected, double bound);

// Dimension ("dtype"), label ("bfloat16"), both in the order of their texts.
using Labels = std::vector<std::pair<std::string, std::string>>;

struct SoundnessTally {
  GroupTally all;
  std::map<std::string, std::map<std::string, GroupTally>> groups;
  std::uint64_t empty_rows = 0;  // see nothing; must be exactly 0, not in the ratios
  std::uint64_t left_out = 0;    // rows whose every weight float32 loses
  std::uint64_t cases = 0;

  void AddRow(const Labels& labels, const RowRatios& row);
  void Add(const SoundnessTally& other);
  std::uint64_t rows() const { return all.rows.count(); }
};

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_STUDY_TALLY_H_
