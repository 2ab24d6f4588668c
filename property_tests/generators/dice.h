// SPDX-License-Identifier: Apache-2.0
//
// Draws from rapidcheck's splittable stream.
#ifndef ATTEST_PROPERTY_TESTS_GENERATORS_DICE_H_
#define ATTEST_PROPERTY_TESTS_GENERATORS_DICE_H_

#include <rapidcheck/Random.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace attest {

class Dice {
 public:
  explicit Dice(const rc::Random& random) : random_(random) {}

  // Uniform, both ends included.
  std::int64_t Int(std::int64_t first, std::int64_t last) {
    const auto width = static_cast<std::uint64_t>(last - first) + 1;
    return first + static_cast<std::int64_t>(random_.next() % width);
  }
  bool OneIn(std::int64_t n) { return Int(1, n) == 1; }
  template <typename T>
  T Pick(const std::vector<T>& choices) {
    return choices[static_cast<std::size_t>(Int(0, static_cast<std::int64_t>(choices.size()) - 1))];
  }

 private:
  rc::Random random_;
};

}  // namespace attest

#endif  // ATTEST_PROPERTY_TESTS_GENERATORS_DICE_H_
