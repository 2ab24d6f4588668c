// SPDX-License-Identifier: Apache-2.0
#include "conformance/study/tally.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace attest {

void RatioCounts::Add(double ratio) {
  ++count_;
  max_ = std::max(max_, ratio);
  if (!(ratio >= std::ldexp(1.0, kFirstOctave))) {
    ++tiny_;
    return;
  }
  int exponent = 0;
  const double half = std::isfinite(ratio) ? std::frexp(ratio, &exponent) : 0.5;  // in [0.5, 1)
  if (!std::isfinite(ratio)) exponent = kLastOctave;
  const int octave = std::clamp(exponent - 1, kFirstOctave, kLastOctave - 1) - kFirstOctave;
  const int part = static_cast<int>((half - 0.5) * 2.0 * kPerOctave);
  const int bin = octave * kPerOctave + part;
  ++bins_[static_cast<std::size_t>(bin)];
}

void RatioCounts::Add(const RatioCounts& other) {
  count_ += other.count_;
  tiny_ += other.tiny_;
  max_ = std::max(max_, other.max_);
  for (std::size_t n = 0; n < bins_.size(); ++n) bins_[n] += other.bins_[n];
}

double RatioCounts::Quantile(double share) const {
  const double wanted = share * static_cast<double>(count_);
  std::uint64_t below = tiny_;
  if (static_cast<double>(below) >= wanted) return 0.0;
  for (std::size_t n = 0; n < bins_.size(); ++n) {
    below += bins_[n];
    if (static_cast<double>(below) < wanted) continue;
    const int octave = static_cast<int>(n) / kPerOctave + kFirstOctave;
    const double middle = (static_cast<double>(n % kPerOctave) + 0.5) / kPerOctave;
    return std::min(std::ldexp(1.0 + middle, octave), max_);
  }
  return max_;
}

void GroupTally::Add(const GroupTally& other) {
  violations += other.violations;
  elements.Add(other.elements);
  rows.Add(other.rows);
  lse.Add(other.lse);
}

double ErrorRatio(double got, double expected, double bound) {
  if (got == expected) return 0.0;
  const double ratio = std::fabs(got - expected) / bound;
  return std::isnan(ratio) ? std::numeric_limits<double>::infinity() : ratio;
}

void SoundnessTally::AddRow(const Labels& labels, const RowRatios& row) {
  double largest = 0.0;
  for (const double ratio : row.out) largest = std::max(largest, ratio);
  const bool violates = largest > 1.0 || row.lse > 1.0;
  const auto add = [&](GroupTally* group) {
    group->violations += violates ? 1 : 0;
    for (const double ratio : row.out) group->elements.Add(ratio);
    group->rows.Add(largest);
    group->lse.Add(row.lse);
  };
  add(&all);
  for (const auto& [dimension, label] : labels) add(&groups[dimension][label]);
}

void SoundnessTally::Add(const SoundnessTally& other) {
  all.Add(other.all);
  for (const auto& [dimension, labels] : other.groups) {
    for (const auto& [label, group] : labels) groups[dimension][label].Add(group);
  }
  empty_rows += other.empty_rows;
  left_out += other.left_out;
  cases += other.cases;
}

}  // namespace attest
