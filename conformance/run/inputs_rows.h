// SPDX-License-Identifier: Apache-2.0
//
// What stands in one row (all columns of one head of one token) of query, key and value, for each
// recipe. Scores below are scaled scores. A scale above 4 in magnitude counts as 4 when the rows
// are sized, so a case reaches scores of 1e5 by its scale.
//
//   v-coded   live keys 0, so all scores are 0; values +-code_unit. Columns of the first half pair
//             keys (2t, 2t+1), the others (2t-1, 2t); a pair has opposite signs, drawn for each
//             (text, pair, column, kv head). A run of keys sums to -2..2 units in every column.
//             Dead: keys 0, values +-5 or +-7 units. Queries are loud.
//   k-coded   with G = max(head_dim_qk, head_dim_v), a key has a group g of 0..G-1; key = a * e(g
//   mod
//             head_dim_qk), value = e(g mod head_dim_v). The score of each column lies in
//             -6.5..-0.5, drawn for each (row, head, column). Dead: keys that score far above 0 for
//             every row, values 40..47.
//   generic   normal; scores have standard deviation about 1. Dead: keys and values 64 to 32752.
//   peaked    column 0 carries a score that falls, rises or peaks in the middle over the keys,
//             -20..20, by (text + kv head) mod 3; the others add deviation 2. Dead: score 80.
//   positive  values in 0.5..1.5; column 0 adds 200 to every score. Dead: score 400.
#ifndef ATTEST_CONFORMANCE_RUN_INPUTS_ROWS_H_
#define ATTEST_CONFORMANCE_RUN_INPUTS_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "conformance/run/inputs_pages.h"
#include "spec/cases/case.h"

namespace attest {

// Elements of one type for the levels -2048..2047: level * unit, rounded to nearest.
class LevelTable {
 public:
  static constexpr int kLowest = -2048;
  static constexpr int kHighest = 2047;

  // Rounded to `first` and `then` before `dtype`, so that tensors of two types hold the same
  // numbers.
  LevelTable(DType dtype, DType first, DType then, double unit);
  // Writes levels.size() elements from `row` on.
  void Encode(const std::vector<std::int16_t>& levels, std::byte* row) const;
  DType dtype() const { return dtype_; }

 private:
  DType dtype_;
  std::vector<std::uint32_t> wide_;    // of 4-byte types
  std::vector<std::uint16_t> narrow_;  // of 2-byte types
};

// Sizes that a recipe chose for one problem.
struct RowUnits {
  double query = 1;  // of one level
  double key = 1;
  double value = 1;
  double dead_key = 1;
  double dead_value = 1;
  std::optional<double> query_column0;     // replaces column 0
  std::optional<double> dead_key_column0;  // replaces column 0
};
RowUnits UnitsOf(const Case& value);
double CodeUnitOf(const Case& value);  // of v-coded values

// Rows of one case. `row` points to head_dim elements of the tensor's type.
class RowSource {
 public:
  RowSource(const Case& value, std::uint64_t seed);

  void Query(std::size_t request, std::int64_t row, int head, std::byte* out);
  // Key `key` of `request`, in the type of the cache or of the step's tensors.
  void Key(std::size_t request, std::int64_t key, int head, bool cache, std::byte* out);
  void Value(std::size_t request, std::int64_t key, int head, bool cache, std::byte* out);

  // Rows that must not matter; `place` tells them apart.
  void DeadQuery(std::uint64_t place, int head, std::byte* out);
  void DeadKey(std::uint64_t place, int head, bool cache, std::byte* out);
  void DeadValue(std::uint64_t place, int head, bool cache, std::byte* out);

 private:
  struct Tables {
    Tables(DType dtype, const Problem& problem, const RowUnits& units);
    LevelTable key;
    LevelTable value;
    LevelTable dead_key;
    LevelTable dead_value;
  };
  const Tables& TablesFor(bool cache) const { return cache ? cache_ : step_; }
  void Normals(std::uint64_t key, std::size_t count);
  void Code(std::size_t request, std::int64_t key, int head);
  int GroupOf(std::size_t request, std::int64_t key, int head) const;
  double ScoreShape(std::size_t request, std::int64_t key, int head) const;
  void Loud(std::uint64_t key, std::size_t count);
  bool Special(std::uint64_t key, DType dtype, std::size_t count, std::byte* out) const;

  const Case& case_;
  const Problem& problem_;
  RowUnits units_;
  std::uint64_t query_stream_;
  std::uint64_t key_stream_;
  std::uint64_t value_stream_;
  std::uint64_t dead_stream_;
  LevelTable query_;
  LevelTable dead_query_;
  Tables cache_;
  Tables step_;
  std::vector<std::int16_t> levels_;
};

// A NaN or an infinity of `dtype`; a finite loud number for loud poison. For gaps between rows.
void StorePoison(Poison poison, DType dtype, std::uint64_t random, std::byte* at);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_INPUTS_ROWS_H_
