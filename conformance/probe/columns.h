// SPDX-License-Identifier: Apache-2.0
//
// Reading which places went into a softmax-weighted mean. With flat scores every place that a row
// sees has weight 1/N; a column whose value is non-zero at few places, with a digit of its own at
// each, then holds (sum of digits seen)/N, a whole number once multiplied by N.
//
// What makes a reading a proof: a place that is seen m times adds m times its digit, and the number
// of digits that a sum decodes to is at most the sum of all m, equal only where every m fits its
// digit (a carry makes digits fewer). So if the digits of all columns add up to N, each was seen
// exactly as often as it reads, and nothing else was seen.
#ifndef ATTEST_CONFORMANCE_PROBE_COLUMNS_H_
#define ATTEST_CONFORMANCE_PROBE_COLUMNS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "spec/vocabulary/dtype.h"

namespace attest {

// How places share a column.
struct DigitCode {
  int bits = 1;        // of a column's number
  int digit_bits = 1;  // of one place: 1 reads "seen or not", 2 reads how often, up to 3
  double unit = 1.0;   // multiplier of all values

  // Places of one column. Digits of one bit are two's complement (the last weighs -2^(bits-1)), so
  // that the largest magnitude is 2^(bits-1); wider digits are unsigned and use one bit less.
  int places() const { return digit_bits == 1 ? bits : (bits - 1) / digit_bits; }
  double ValueOf(int place) const;
  // How often each place was seen; nullopt for a number that no digits give.
  std::optional<std::vector<int>> Digits(std::int64_t number) const;
};

// The widest code whose numbers an output of `output` resolves and whose values `stored` types hold
// exactly: 7 bits for bfloat16, 10 for float16, 20 for float32; at most `columns`.
DigitCode CodeFor(DType output, const std::vector<DType>& stored, int columns);

// N of one row, as far as it is known: it lies in first..last.
struct Counts {
  double first = 0;
  double last = 0;
};
Counts CountsFromLse(double lse);

struct ColumnReading {
  std::int64_t count = 0;            // N
  double margin = 0;                 // largest distance of N * column from a whole number, in code
                                     // units; a reading has at most kColumnMargin
  std::vector<std::int64_t> places;  // ascending
  std::vector<int> times;            // of each place
};
inline constexpr double kColumnMargin = 0.3;

enum class ColumnFault : std::uint8_t {
  kNone,
  kNotNumbers,  // NaN or infinity
  kNotWhole,    // no N makes every column a whole number: weights are not flat
  kNotQuite,    // few columns are off, by little: an output that truncates
  kNotAll,      // whole numbers, but fewer digits than N: something is seen twice, or elsewhere
  kAmbiguous,   // more than one N fits
};

struct ColumnResult {
  ColumnFault fault = ColumnFault::kNone;
  ColumnReading reading;  // where there is no fault
  double seen = 0;        // kNotAll: digits that were read, of reading.count
};

// `columns`: outputs of one row, the places of column c being c*code.places() and on, `num_places`
// in all.
ColumnResult ReadColumns(const std::vector<float>& columns, std::int64_t num_places,
                         const DigitCode& code, const Counts& counts);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_PROBE_COLUMNS_H_
