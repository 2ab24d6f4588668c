// SPDX-License-Identifier: Apache-2.0
//
// Seeded random numbers that are the same with every standard library, whose distributions are not.
#ifndef ATTEST_REFERENCE_TESTING_RANDOM_H_
#define ATTEST_REFERENCE_TESTING_RANDOM_H_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace attest::testing {

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  // Uniform, both ends included.
  std::int64_t Int(std::int64_t first, std::int64_t last) {
    const auto width = static_cast<std::uint64_t>(last - first) + 1;
    return first + static_cast<std::int64_t>(engine_() % width);
  }
  bool OneIn(std::int64_t n) { return Int(1, n) == 1; }
  // Uniform in (0, 1).
  double Uniform() { return (static_cast<double>(engine_() >> 11) + 0.5) * 0x1p-53; }
  double Normal() {
    const double radius = std::sqrt(-2.0 * std::log(Uniform()));
    return radius * std::cos(6.283185307179586 * Uniform());
  }
  template <typename T>
  T Pick(std::initializer_list<T> choices) {
    return *(choices.begin() + Int(0, static_cast<std::int64_t>(choices.size()) - 1));
  }
  template <typename T>
  void Shuffle(std::vector<T>* values) {
    for (std::size_t n = values->size(); n > 1; --n) {
      std::swap((*values)[n - 1],
                (*values)[static_cast<std::size_t>(Int(0, static_cast<std::int64_t>(n) - 1))]);
    }
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace attest::testing

#endif  // ATTEST_REFERENCE_TESTING_RANDOM_H_
