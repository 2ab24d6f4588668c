// SPDX-License-Identifier: Apache-2.0
//
// Least squares with few parameters, and what they leave over.
#ifndef ATTEST_CONFORMANCE_PROBE_REGRESSION_H_
#define ATTEST_CONFORMANCE_PROBE_REGRESSION_H_

#include <vector>

namespace attest {

struct Point {
  double x = 0;
  double y = 0;
};

// y = offset + slope * x.
struct LineFit {
  double slope = 0;
  double offset = 0;
  double slope_error = 0;  // standard error
  double offset_error = 0;
  double spread = 0;  // root mean square of what is left, for the degrees of freedom
  int points = 0;
};
// `floor`: spread that the points have at least, whatever they show.
LineFit FitLine(const std::vector<Point>& points, double floor);

// y = offset + cap * tanh(slope * x / cap).
struct CapFit {
  double slope = 0;
  double cap = 0;
  double offset = 0;
  double slope_error = 0;
  double cap_error = 0;
  double spread = 0;
};
CapFit FitCap(const std::vector<Point>& points, double floor);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_PROBE_REGRESSION_H_
