// SPDX-License-Identifier: Apache-2.0
#include "reference/exponentials.h"

#include <cmath>
#include <limits>

#ifdef ATTEST_HAVE_LIBMVEC
#include <immintrin.h>

// e^x of four numbers, by the name that the x86-64 vector ABI gives to it.
extern "C" __m256d _ZGVdN4v_exp(__m256d x);  // NOLINT(bugprone-reserved-identifier)
#else
#include <Eigen/Core>
#endif

namespace attest {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kLost = -745.13;  // e^x is 0 in double a little below

// Neither library's vector code is exact for results below the normal numbers (Eigen's gives about
// 1e-308 for -inf, libmvec's is slow there), and an infinite value tells 1e-308 from 0. A loop of
// its own, because a select would take the exponentials one by one.
void DropLost(const double* from, double top, std::size_t count, double* to) {
  for (std::size_t i = 0; i < count; ++i) {
    const double kept = to[i];
    const double gone = from[i] == -kInfinity ? 0.0 : kept;  // also where `top` is no number
    to[i] = from[i] - top <= kLost ? 0.0 : gone;
  }
}

}  // namespace

#ifdef ATTEST_HAVE_LIBMVEC
void Exponentials(const double* from, double top, std::size_t count, double* to) {
  const __m256d shift = _mm256_set1_pd(top);
  const __m256d lowest = _mm256_set1_pd(-708.0);
  std::size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    const __m256d x = _mm256_sub_pd(_mm256_loadu_pd(from + i), shift);
    // The second operand is kept if it is NaN.
    _mm256_storeu_pd(to + i, _ZGVdN4v_exp(_mm256_max_pd(lowest, x)));
  }
  for (; i < count; ++i) to[i] = std::exp(from[i] - top);
  DropLost(from, top, count, to);
}
#else
void Exponentials(const double* from, double top, std::size_t count, double* to) {
  const auto size = static_cast<Eigen::Index>(count);
  const Eigen::Map<const Eigen::ArrayXd> x(from, size);
  Eigen::Map<Eigen::ArrayXd>(to, size) = (x - top).exp();
  DropLost(from, top, count, to);
}
#endif

}  // namespace attest
