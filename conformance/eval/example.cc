// SPDX-License-Identifier: Apache-2.0
#include "conformance/eval/example.h"

#include <array>
#include <cstdint>

#include "conformance/eval/npy.h"
#include "reference/float_formats.h"

namespace attest {
namespace {

// Multiples of 1/8 from -2 to 2 in no plain order; bfloat16 holds them exactly.
std::string Numbers(const std::vector<std::int64_t>& shape, int step) {
  std::int64_t count = 1;
  for (const std::int64_t n : shape) count *= n;
  std::vector<std::uint16_t> bits;
  for (std::int64_t i = 0; i < count; ++i) {
    bits.push_back(DoubleToBFloat16(static_cast<double>((i * step + 5) % 33 - 16) / 8.0));
  }
  return NpyFile(StoredAs(DType::kBFloat16), shape, bits.data());
}

}  // namespace

NamedFiles ExampleFiles() {
  constexpr std::array<std::uint8_t, 15> kMask = {1, 0, 1, 1, 1,   // row 0
                                                  0, 0, 0, 0, 0,   // row 1 sees nothing
                                                  1, 0, 1, 1, 1};  // row 2
  return {{"problem.json",
           "{\"attention_type\": \"decoder\", \"causality\": \"causal\", \"scale\": 0.5, "
           "\"softcap\": 30.0}\n"},
          {"query.npy", Numbers({1, 2, 3, 4}, 7)},
          {"key.npy", Numbers({1, 1, 5, 4}, 10)},
          {"value.npy", Numbers({1, 1, 5, 4}, 13)},
          {"custom_mask.npy", NpyFile({'b', 1}, {3, 5}, kMask.data())}};
}

}  // namespace attest
