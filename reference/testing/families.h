// SPDX-License-Identifier: Apache-2.0
//
// Families of inputs that strain an attention kernel in different places. One query head, one KV
// head, one request; numbers are already rounded to the storage type. And features that any of them
// can be dressed in: softcap, biases, a mask of its own, an 8-bit cache with scales.
#ifndef ATTEST_REFERENCE_TESTING_FAMILIES_H_
#define ATTEST_REFERENCE_TESTING_FAMILIES_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "reference/testing/random.h"
#include "spec/vocabulary/dtype.h"
#include "spec/vocabulary/problem.h"

namespace attest::testing {

struct Numbers {
  std::vector<std::vector<float>> q;  // [rows][head_dim_qk]
  std::vector<std::vector<float>> k;  // [keys][head_dim_qk]
  std::vector<std::vector<float>> v;  // [keys][head_dim_v]
  float scale = 1.0F;
  bool has_sink = false;
  float sink = 0.0F;

  float softcap = 0.0F;
  bool has_slope = false;  // ALiBi
  float slope = 0.0F;
  std::vector<std::vector<float>> bias;         // [rows][keys]; -inf: masked; empty: none
  std::vector<std::vector<std::uint8_t>> seen;  // [rows][keys]; empty: no mask of its own
  // Of each key, and k and v are what is stored; empty: no scales.
  std::vector<float> key_scale;
  std::vector<float> value_scale;

  std::size_t rows() const { return q.size(); }
  std::size_t keys() const { return k.size(); }
  bool Sees(std::size_t row, std::size_t key) const;
  // Exact numbers of spec/clauses/scores.md and kv_layouts.md.
  double Key(std::size_t key, std::size_t column) const;
  double Value(std::size_t key, std::size_t column) const;
  double Distance(std::size_t row, std::size_t key) const;  // |p - k|
};

struct Sizes {
  std::int64_t rows = 1;
  std::int64_t keys = 1;
  std::int64_t head_dim_qk = 1;
  std::int64_t head_dim_v = 1;
};

const std::vector<std::string_view>& FamilyNames();
Numbers MakeFamily(Random* random, std::string_view name, const Sizes& sizes, DType dtype);

// Multiplies queries, keys and values, as far as `dtype` can hold them, and rounds them again.
void Magnify(double query, double key, double value, DType dtype, Numbers* numbers);

// Adds features at random to both. `problem` is a decoder without any.
void Dress(Random* random, Problem* problem, Numbers* numbers);

}  // namespace attest::testing

#endif  // ATTEST_REFERENCE_TESTING_FAMILIES_H_
