// SPDX-License-Identifier: Apache-2.0
//
// How long a call may take.
#ifndef ATTEST_CONFORMANCE_RUN_SESSION_PACE_H_
#define ATTEST_CONFORMANCE_RUN_SESSION_PACE_H_

#include <algorithm>

namespace attest {

// The best rate, not the first or the mean: a first call may compile kernels for seconds, and a
// deadline derived from it would let a hang last for hours.
class Pace {
 public:
  Pace(double floor_s, double scale) : floor_s_(floor_s), scale_(scale) {}

  void Observe(double multiply_adds, double seconds) {
    if (multiply_adds < kLeastMultiplyAdds) return;
    const double rate = std::max(seconds / multiply_adds, kBestRate);
    rate_ = observed_ ? std::min(rate_, rate) : rate;
    observed_ = true;
  }

  double DeadlineSeconds(double multiply_adds) const {
    return std::max(floor_s_, scale_ * rate_ * multiply_adds);
  }

 private:
  static constexpr double kLeastMultiplyAdds = 0x1p20;  // below, the call's overhead is measured
  static constexpr double kBestRate = 1e-10;    // a faster backend is not held to its best shape
  static constexpr double kAssumedRate = 1e-8;  // a scalar loop under a sanitizer

  double floor_s_;
  double scale_;
  double rate_ = kAssumedRate;  // seconds a multiply-add
  bool observed_ = false;
};

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_SESSION_PACE_H_
