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
//   stepped   column 0 of a key is +1 where floor(log2(distance + 1)) to the text's last key is
//             even, else -1, and its score +-0.5; the others are 0. Values: that sign times 0.5,
//             0.75 .. 1.5 for each (kv head, column). Dead: score 32.
//   cancelling  as generic, but of a text of L keys the key L / 2 + k has the key of k and minus
//             its value; the last of an odd number has value 0. Column 0 of a value is positive.
//
// With a shared latent the value is the beginning of the key; v-coded keys then carry the code, and
// the queries are 0. In an 8-bit cache these numbers are divided by the scale and rounded to the
// format; the scales are such that codes, one-hot components and columns 0 are stored exactly, but
// for peaked scores between their ends. Dead slots that such a format cannot fill with NaN or
// infinity hold its largest numbers.
#ifndef ATTEST_CONFORMANCE_RUN_INPUTS_ROWS_H_
#define ATTEST_CONFORMANCE_RUN_INPUTS_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "conformance/run/inputs_scales.h"
#include "conformance/run/inputs_texts.h"
#include "spec/cases/case.h"

namespace attest {

// How a number comes to stand in a tensor of `dtype`.
struct Storage {
  DType dtype = DType::kNone;
  DType query_dtype = DType::kNone;
  DType cache_dtype = DType::kNone;
  double scale = 1.0;  // of an 8-bit cache: what is stored times this is the number

  bool InCache() const { return SizeOf(dtype) == 1; }
  // The number that the element of `number` stands for, before it is stored as `dtype`: rounded to
  // both types, so that step and cache agree; in a step beside an 8-bit cache, the cached number
  // plus two fifths of a step of its format.
  double Element(double number) const;
};

// Elements of one type for the levels -2048..2047: level * unit, rounded to nearest. Each is
// encoded when it is first asked for: small problems ask for few.
class LevelTable {
 public:
  static constexpr int kLowest = -2048;
  static constexpr int kHighest = 2047;

  LevelTable(const Storage& storage, double unit);
  // Writes levels.size() elements from `row` on.
  void Encode(const std::vector<std::int16_t>& levels, std::byte* row) const;
  // Writes `number` as one element.
  void Put(double number, std::byte* at) const;
  DType dtype() const { return storage_.dtype; }

 private:
  std::uint32_t BitsOf(std::int16_t level) const;

  Storage storage_;
  double unit_;
  mutable std::vector<std::uint32_t> bits_;  // of each level, in its lowest bytes
  mutable std::vector<std::uint8_t> known_;  // 1: encoded
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
double CodeUnitOf(const Case& value);  // of v-coded values, where no variant says otherwise
RowUnits UnitsOf(const Case& value, double code_unit);

// Rows of one case. `out` points to head_dim elements of the tensor's type.
class RowSource {
 public:
  RowSource(const Case& value, std::uint64_t seed, const Texts& texts, double code_unit);

  void Query(std::size_t request, std::int64_t row, int head, std::byte* out);
  // Key `key` of `request`, in the type of the cache or of the step's tensors. With page aliasing
  // the row of the key's source.
  void Key(std::size_t request, std::int64_t key, int head, bool cache, std::byte* out);
  void Value(std::size_t request, std::int64_t key, int head, bool cache, std::byte* out);
  KvScale ScaleOf(std::size_t request, std::int64_t key, int head) const;

  // Rows that must not matter; `place` tells them apart.
  void DeadQuery(std::uint64_t place, int head, std::byte* out);
  void DeadKey(std::uint64_t place, int head, bool cache, std::byte* out);
  void DeadValue(std::uint64_t place, int head, bool cache, std::byte* out);
  KvScale DeadScale(int head) const { return scales_.OfHead(head); }

 private:
  struct Tables {
    Tables(Storage storage, const KvScale& scale, const RowUnits& units);
    LevelTable key;
    LevelTable value;
    LevelTable dead_key;
    LevelTable dead_value;
  };
  const Tables& TablesFor(bool cache, const KvScale& scale);
  bool LatentCode() const;
  void Normals(std::uint64_t key, std::size_t count);
  void Code(std::size_t request, std::int64_t key, int head);
  void LatentKeyCode(std::size_t request, std::int64_t key, int head);
  void DeadCode();
  int GroupOf(std::size_t request, std::int64_t key, int head) const;
  double Step(std::size_t request, std::int64_t key) const;
  // The key whose numbers a key holds, and the sign of its value: +1, -1, or 0.
  struct Repeat {
    std::int64_t key = 0;
    int sign = 1;
  };
  Repeat RepeatOf(std::size_t request, std::int64_t key) const;
  double ScoreShape(std::size_t request, std::int64_t key, int head) const;
  void Loud(std::uint64_t key, std::size_t count);
  bool Special(std::uint64_t key, DType dtype, std::size_t count, std::byte* out) const;

  const Case& case_;
  const Problem& problem_;
  const Texts& texts_;
  RowUnits units_;
  ScaleSource scales_;
  std::uint64_t query_stream_;
  std::uint64_t key_stream_;
  std::uint64_t value_stream_;
  std::uint64_t dead_stream_;
  LevelTable query_;
  LevelTable dead_query_;
  std::map<std::pair<bool, KvScale>, Tables> tables_;  // of the cache; by scale
  std::vector<std::int16_t> levels_;
  std::vector<std::byte> latent_;
};

// A NaN or an infinity of `dtype`; a finite loud number for loud poison, and where the type has
// neither.
void StorePoison(Poison poison, DType dtype, std::uint64_t random, std::byte* at);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_INPUTS_ROWS_H_
