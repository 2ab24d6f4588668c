// SPDX-License-Identifier: Apache-2.0
//
// Families of inputs that strain an attention kernel in different places. One query head, one KV
// head, one request; numbers are already rounded to the storage type.
#ifndef ATTEST_REFERENCE_TESTING_FAMILIES_H_
#define ATTEST_REFERENCE_TESTING_FAMILIES_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "reference/testing/random.h"
#include "spec/vocabulary/dtype.h"

namespace attest::testing {

struct Numbers {
  std::vector<std::vector<float>> q;  // [rows][head_dim_qk]
  std::vector<std::vector<float>> k;  // [keys][head_dim_qk]
  std::vector<std::vector<float>> v;  // [keys][head_dim_v]
  float scale = 1.0F;
  bool has_sink = false;
  float sink = 0.0F;
};

struct Sizes {
  std::int64_t rows = 1;
  std::int64_t keys = 1;
  std::int64_t head_dim_qk = 1;
  std::int64_t head_dim_v = 1;
};

const std::vector<std::string_view>& FamilyNames();
Numbers MakeFamily(Random* random, std::string_view name, const Sizes& sizes, DType dtype);

}  // namespace attest::testing

#endif  // ATTEST_REFERENCE_TESTING_FAMILIES_H_
