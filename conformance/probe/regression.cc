// SPDX-License-Identifier: Apache-2.0
#include "conformance/probe/regression.h"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>

namespace attest {
namespace {

double Residual(const std::vector<Point>& points, const Eigen::Vector3d& p) {
  double sum = 0;
  for (const Point& point : points) {
    const double left = point.y - (p[2] + p[1] * std::tanh(p[0] * point.x / p[1]));
    sum += left * left;
  }
  return sum;
}

// J^T J and J^T r of the capped line at p = (slope, cap, offset).
void Normal(const std::vector<Point>& points, const Eigen::Vector3d& p, Eigen::Matrix3d& jtj,
            Eigen::Vector3d& jtr) {
  jtj.setZero();
  jtr.setZero();
  for (const Point& point : points) {
    const double u = p[0] * point.x / p[1];
    const double t = std::tanh(u);
    const double derivative = 1 - t * t;
    const Eigen::Vector3d row(derivative * point.x, t - u * derivative, 1.0);
    jtj += row * row.transpose();
    jtr += row * (point.y - (p[2] + p[1] * t));
  }
}

}  // namespace

LineFit FitLine(const std::vector<Point>& points, double floor) {
  LineFit fit;
  fit.points = static_cast<int>(points.size());
  if (points.size() < 2) return fit;
  const auto n = static_cast<double>(points.size());
  double mean_x = 0;
  double mean_y = 0;
  for (const Point& point : points) {
    mean_x += point.x / n;
    mean_y += point.y / n;
  }
  double xx = 0;
  double xy = 0;
  for (const Point& point : points) {
    xx += (point.x - mean_x) * (point.x - mean_x);
    xy += (point.x - mean_x) * (point.y - mean_y);
  }
  fit.slope = xx > 0 ? xy / xx : 0;
  fit.offset = mean_y - fit.slope * mean_x;
  double left = 0;
  for (const Point& point : points) {
    const double off = point.y - fit.offset - fit.slope * point.x;
    left += off * off;
  }
  fit.spread = std::sqrt(left / std::max(1.0, n - 2));
  const double spread = std::max(fit.spread, floor);
  fit.slope_error = xx > 0 ? spread / std::sqrt(xx) : HUGE_VAL;
  fit.offset_error = xx > 0 ? spread * std::sqrt(1 / n + mean_x * mean_x / xx) : HUGE_VAL;
  return fit;
}

CapFit FitCap(const std::vector<Point>& points, double floor) {
  const LineFit line = FitLine(points, floor);
  double widest = 1e-3;
  for (const Point& point : points) widest = std::max(widest, std::abs(line.slope * point.x));
  Eigen::Vector3d best(line.slope, 100 * widest, line.offset);
  double least = Residual(points, best);
  for (double cap = 0.05 * widest; cap < 100 * widest; cap *= 1.5) {
    for (const double steeper : {1.0, 1.5, 3.0, 10.0}) {
      const Eigen::Vector3d start(line.slope * steeper, cap, line.offset);
      if (const double left = Residual(points, start); left < least) {
        least = left;
        best = start;
      }
    }
  }
  double damping = 1e-3;  // Levenberg and Marquardt's
  Eigen::Matrix3d jtj;
  Eigen::Vector3d jtr;
  for (int step = 0; step < 200 && damping < 1e12; ++step) {
    Normal(points, best, jtj, jtr);
    Eigen::Matrix3d damped = jtj;
    damped.diagonal() *= 1 + damping;
    const Eigen::Vector3d next = best + damped.ldlt().solve(jtr);
    const double left = next[1] > 0 ? Residual(points, next) : HUGE_VAL;
    if (left < least) {
      least = left;
      best = next;
      damping /= 5;
    } else {
      damping *= 5;
    }
  }
  Normal(points, best, jtj, jtr);
  CapFit fit{.slope = best[0], .cap = best[1], .offset = best[2]};
  fit.spread = std::sqrt(least / std::max(1.0, static_cast<double>(points.size()) - 3));
  const double spread = std::max(fit.spread, floor);
  const Eigen::Matrix3d covariance = jtj.ldlt().solve(Eigen::Matrix3d::Identity());
  fit.slope_error = spread * std::sqrt(std::max(0.0, covariance(0, 0)));
  fit.cap_error = spread * std::sqrt(std::max(0.0, covariance(1, 1)));
  return fit;
}

}  // namespace attest
