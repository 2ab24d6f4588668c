// SPDX-License-Identifier: Apache-2.0
#include "conformance/probe/columns.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace attest {
namespace {

// exp(LSE) of flat scores: float32 rounding of an LSE below 16, and two 2^-21 functions.
constexpr double kLseError = 1e-5;
// Share of columns that may be off for the fault to be an output's rounding, or places that are
// seen twice.
constexpr double kFewColumns = 0.4;
// Digits count no further.
constexpr double kMostTimes = 3.0;

// What one N makes of the columns.
struct Trial {
  double margin = 0;
  std::size_t off = 0;  // columns beyond the margin
  bool digits = true;   // every number has digits
  std::int64_t seen = 0;
};

std::int64_t DigitSum(const DigitCode& code, std::int64_t number) {
  const auto bits = static_cast<std::uint64_t>(number) & ((std::uint64_t{1} << code.bits) - 1);
  if (code.digit_bits == 1) return __builtin_popcountll(bits);
  std::int64_t sum = 0;
  const std::uint64_t mask = (std::uint64_t{1} << code.digit_bits) - 1;
  for (std::uint64_t left = bits; left != 0; left >>= code.digit_bits) {
    sum += static_cast<std::int64_t>(left & mask);
  }
  return sum;
}

bool HasDigits(const DigitCode& code, double number) {
  if (code.digit_bits == 1) {
    const double half = std::ldexp(1.0, code.bits - 1);
    return number >= -half && number < half;
  }
  return number >= 0 && number < std::ldexp(1.0, code.places() * code.digit_bits);
}

Trial Try(const std::vector<float>& columns, const DigitCode& code, double count) {
  Trial trial;
  const double factor = count / code.unit;
  for (const float column : columns) {
    const double product = factor * column;
    const double whole = std::nearbyint(product);
    const double off = std::abs(product - whole);
    trial.margin = std::max(trial.margin, off);
    if (!(off <= kColumnMargin)) ++trial.off;
    if (!HasDigits(code, whole)) {
      trial.digits = false;
    } else {
      trial.seen += DigitSum(code, static_cast<std::int64_t>(whole));
    }
  }
  return trial;
}

ColumnReading ReadingOf(const std::vector<float>& columns, std::int64_t num_places,
                        const DigitCode& code, double count, double margin) {
  ColumnReading reading{.count = static_cast<std::int64_t>(count), .margin = margin};
  for (std::size_t c = 0; c < columns.size(); ++c) {
    if (columns[c] == 0.0F) continue;
    const auto number =
        static_cast<std::int64_t>(std::nearbyint(count / code.unit * double{columns[c]}));
    const std::optional<std::vector<int>> digits = code.Digits(number);
    for (std::size_t i = 0; digits && i < digits->size(); ++i) {
      const std::int64_t place =
          static_cast<std::int64_t>(c) * code.places() + static_cast<std::int64_t>(i);
      if ((*digits)[i] == 0 || place >= num_places) continue;
      reading.places.push_back(place);
      reading.times.push_back((*digits)[i]);
    }
  }
  return reading;
}

}  // namespace

double DigitCode::ValueOf(int place) const {
  const double weight = std::ldexp(unit, place * digit_bits);
  return digit_bits == 1 && place == bits - 1 && bits > 1 ? -weight : weight;
}

std::optional<std::vector<int>> DigitCode::Digits(std::int64_t number) const {
  if (!HasDigits(*this, static_cast<double>(number))) return std::nullopt;
  const auto value = static_cast<std::uint64_t>(number);
  std::vector<int> digits;
  for (int place = 0; place < places(); ++place) {
    const std::uint64_t digit =
        (value >> (place * digit_bits)) & ((std::uint64_t{1} << digit_bits) - 1);
    digits.push_back(static_cast<int>(digit));
  }
  return digits;
}

DigitCode CodeFor(DType output, const std::vector<DType>& stored, int columns) {
  DigitCode code;
  code.bits = output == DType::kFloat32 ? 20 : output == DType::kFloat16 ? 10 : 7;
  for (const DType dtype : stored) {
    if (dtype == DType::kInt8) code.bits = std::min(code.bits, 8);
    if (dtype == DType::kFloat8E4M3FN || dtype == DType::kFloat8E4M3FNUZ) {
      code.bits = std::min(code.bits, 14);
    }
  }
  code.bits = std::max(2, std::min(code.bits, columns));
  // 1/N is subnormal in float16 for N above 16,384: values are made as large as they may be.
  const bool narrow = output == DType::kFloat16 ||
                      std::find(stored.begin(), stored.end(), DType::kFloat16) != stored.end();
  const bool small =
      std::any_of(stored.begin(), stored.end(), [](DType dtype) { return SizeOf(dtype) == 1; });
  if (narrow && !small) code.unit = std::ldexp(1.0, 16 - code.bits);
  if (small && code.bits > 8) code.unit = std::ldexp(1.0, 8 - code.bits);
  return code;
}

Counts CountsFromLse(double lse) {
  if (lse == -HUGE_VAL || lse < -1000) return {0, 0};
  const double count = std::exp(lse);
  return {count * (1 - kLseError) - 1e-6, count * (1 + kLseError) + 1e-6};
}

ColumnResult ReadColumns(const std::vector<float>& columns, std::int64_t num_places,
                         const DigitCode& code, const Counts& counts) {
  ColumnResult result;
  bool zero = true;
  for (const float column : columns) {
    if (!std::isfinite(column)) return {.fault = ColumnFault::kNotNumbers};
    zero = zero && column == 0.0F;
  }
  result.fault = ColumnFault::kNotWhole;
  if (zero && counts.first <= 0) return {};  // sees nothing
  Trial nearest{.margin = 1.0, .off = columns.size()};
  std::vector<std::pair<double, double>> fits;  // N, margin
  // Weights that fall off steeply look like an N beyond all reason, give or take a share of it.
  const double last = std::min(counts.last, kMostTimes * static_cast<double>(num_places));
  for (double count = std::max(1.0, std::ceil(counts.first)); count <= last; ++count) {
    const Trial trial = Try(columns, code, count);
    const bool whole = trial.off == 0;
    if (whole && trial.digits && trial.seen == static_cast<std::int64_t>(count)) {
      fits.emplace_back(count, trial.margin);
    } else if (whole && result.fault != ColumnFault::kNotAll) {
      result.fault = ColumnFault::kNotAll;
      result.reading.count = static_cast<std::int64_t>(count);
      result.seen = static_cast<double>(trial.seen);
    }
    if (trial.off < nearest.off) nearest = trial;
  }
  if (fits.size() > 1) return {.fault = ColumnFault::kAmbiguous};
  if (fits.size() == 1) {
    return {.reading = ReadingOf(columns, num_places, code, fits[0].first, fits[0].second)};
  }
  if (result.fault == ColumnFault::kNotWhole && nearest.off > 0 &&
      static_cast<double>(nearest.off) <=
          std::max(1.0, kFewColumns * static_cast<double>(columns.size()))) {
    result.fault = ColumnFault::kNotQuite;
  }
  return result;
}

}  // namespace attest
