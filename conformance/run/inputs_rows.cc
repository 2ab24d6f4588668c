// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/inputs_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "conformance/run/inputs_random.h"
#include "reference/float_formats.h"

namespace attest {
namespace {

constexpr double kNormal = 1.0 / 512;      // a NormalLevel times this has standard deviation 1
constexpr double kLoudestScale = 4.0;      // what a larger scale counts as
constexpr double kPeakScore = 20.0;        // of peaked rows, with a key component of 1
constexpr double kSharedScore = 200.0;     // of positive rows
constexpr double kSharedComponent = 16.0;  // of their keys
constexpr std::int64_t kLongForFloat16 = 2048;

double SizedScale(const Problem& problem) {
  const double scale = problem.scale;
  return std::copysign(std::min(std::abs(scale), kLoudestScale), scale);
}

// The one-hot component of k-coded keys: a power of two that keeps queries at or below 4096, where
// the problem's scale is tiny.
double KeyComponent(double scale) {
  double component = 1.0;
  while (6.5 / (std::abs(scale) * component) > 4096.0 && component < 16.0) component *= 2.0;
  return component;
}

double Root(int head_dim) { return std::sqrt(static_cast<double>(std::max(head_dim, 1))); }

bool IsFloat16(const Problem& problem) {
  return problem.cache_dtype == DType::kFloat16 || problem.output_dtype == DType::kFloat16;
}

}  // namespace

// ---- Encoding

LevelTable::LevelTable(DType dtype, DType first, DType then, double unit) : dtype_(dtype) {
  for (int level = kLowest; level <= kHighest; ++level) {
    const double value = RoundTo(then, RoundTo(first, level * unit));
    if (SizeOf(dtype) == sizeof(std::uint32_t)) {
      std::uint32_t bits = 0;
      StoreElement(dtype, value, reinterpret_cast<std::byte*>(&bits));
      wide_.push_back(bits);
    } else {
      std::uint16_t bits = 0;
      StoreElement(dtype, value, reinterpret_cast<std::byte*>(&bits));
      narrow_.push_back(bits);
    }
  }
}

void LevelTable::Encode(const std::vector<std::int16_t>& levels, std::byte* row) const {
  const auto put = [&levels, row](const auto& table) {
    using Bits = typename std::decay_t<decltype(table)>::value_type;
    for (std::size_t d = 0; d < levels.size(); ++d) {
      const Bits bits = table[static_cast<std::size_t>(levels[d] - kLowest)];
      std::memcpy(row + d * sizeof(Bits), &bits, sizeof(Bits));
    }
  };
  if (wide_.empty()) {
    put(narrow_);
  } else {
    put(wide_);
  }
}

// ---- Sizes

double CodeUnitOf(const Case& value) {
  const bool tiny_quotients =
      IsFloat16(value.problem) && MaxSeqLen(value.problem) > kLongForFloat16;
  return value.recipe == Recipe::kVCoded && tiny_quotients ? 1024.0 : 1.0;
}

RowUnits UnitsOf(const Case& value) {
  const Problem& p = value.problem;
  const double scale = SizedScale(p);
  RowUnits units = {.query = kNormal / (std::abs(scale) * Root(p.head_dim_qk)),
                    .key = kNormal,
                    .value = kNormal,
                    .dead_key = 1.0 / 16,
                    .dead_value = 16.0,
                    .query_column0 = std::nullopt,
                    .dead_key_column0 = std::nullopt};
  const double rest = kNormal / (std::abs(scale) * Root(p.head_dim_qk - 1));
  switch (value.recipe) {
    case Recipe::kVCoded:
      units.query = 8 * kNormal;
      units.value = units.dead_value = CodeUnitOf(value);
      break;
    case Recipe::kKCoded:
      units.key = units.dead_key = KeyComponent(scale);
      units.query = 1.0 / (64.0 * scale * units.key);
      units.value = units.dead_value = 1.0;
      break;
    case Recipe::kGeneric:
      break;
    case Recipe::kPeaked:
      units.query = 2.0 * rest;
      units.query_column0 = kPeakScore / scale;
      units.dead_key_column0 = 4.0;
      break;
    case Recipe::kPositive:
      units.query = rest;
      units.query_column0 = kSharedScore / (scale * kSharedComponent);
      units.dead_key_column0 = 2.0 * kSharedComponent;
      break;
  }
  return units;
}

// ---- Rows

RowSource::Tables::Tables(DType dtype, const Problem& problem, const RowUnits& units)
    : key(dtype, problem.query_dtype, problem.cache_dtype, units.key),
      value(dtype, problem.query_dtype, problem.cache_dtype, units.value),
      dead_key(dtype, problem.query_dtype, problem.cache_dtype, units.dead_key),
      dead_value(dtype, problem.query_dtype, problem.cache_dtype, units.dead_value) {}

RowSource::RowSource(const Case& value, std::uint64_t seed)
    : case_(value),
      problem_(value.problem),
      units_(UnitsOf(value)),
      query_stream_(StreamKey(value.id, seed, "query")),
      key_stream_(StreamKey(value.id, seed, "key")),
      value_stream_(StreamKey(value.id, seed, "value")),
      dead_stream_(StreamKey(value.id, seed, "dead")),
      query_(problem_.query_dtype, problem_.query_dtype, problem_.query_dtype, units_.query),
      dead_query_(problem_.query_dtype, problem_.query_dtype, problem_.query_dtype, 1.0),
      cache_(problem_.cache_dtype, problem_, units_),
      step_(problem_.query_dtype, problem_, units_) {}

void RowSource::Normals(std::uint64_t key, std::size_t count) {
  levels_.resize(count);
  for (std::size_t d = 0; d < count; ++d) {
    levels_[d] = static_cast<std::int16_t>(NormalLevel(Draw(key, d)));
  }
}

void RowSource::Query(std::size_t request, std::int64_t row, int head, std::byte* out) {
  const auto columns = static_cast<std::size_t>(problem_.head_dim_qk);
  const std::uint64_t key =
      Chain(Chain(Chain(query_stream_, request), static_cast<std::uint64_t>(row)),
            static_cast<std::uint64_t>(head));
  Normals(key, columns);
  if (case_.recipe == Recipe::kKCoded) {
    for (std::size_t d = 0; d < columns; ++d) {
      levels_[d] = static_cast<std::int16_t>(-32 - static_cast<int>(Below(Draw(key, d), 385)));
    }
  }
  query_.Encode(levels_, out);
  if (units_.query_column0) StoreElement(query_.dtype(), *units_.query_column0, out);
}

int RowSource::GroupOf(std::size_t request, std::int64_t key, int head) const {
  const std::uint64_t stream =
      Chain(Chain(key_stream_, ContentOf(problem_, request, key)), static_cast<std::uint64_t>(key));
  const auto groups =
      static_cast<std::uint64_t>(std::max(problem_.head_dim_qk, problem_.head_dim_v));
  return static_cast<int>(Below(Draw(stream, static_cast<std::uint64_t>(head)), groups));
}

double RowSource::ScoreShape(std::size_t request, std::int64_t key, int head) const {
  const ContentId content = ContentOf(problem_, request, key);
  const std::int64_t length =
      content == 0 ? problem_.shared_prefix : problem_.requests[request].seq_len;
  const double way = length < 2 ? 1.0 : static_cast<double>(key) / static_cast<double>(length - 1);
  switch ((content + static_cast<std::uint64_t>(head)) % 3) {
    case 0:
      return 1.0 - 2.0 * way;
    case 1:
      return 2.0 * way - 1.0;
    default: {
      if (key == length / 2) return 1.0;
      const std::uint64_t stream =
          Chain(Chain(key_stream_, content), static_cast<std::uint64_t>(key));
      return -1.0 + static_cast<double>(Below(stream, 410)) / 512.0;  // -1..-0.2
    }
  }
}

void RowSource::Key(std::size_t request, std::int64_t key, int head, bool cache, std::byte* out) {
  const auto columns = static_cast<std::size_t>(problem_.head_dim_qk);
  const LevelTable& table = TablesFor(cache).key;
  switch (case_.recipe) {
    case Recipe::kVCoded:
      levels_.assign(columns, 0);
      return table.Encode(levels_, out);
    case Recipe::kKCoded:
      levels_.assign(columns, 0);
      levels_[static_cast<std::size_t>(GroupOf(request, key, head) % problem_.head_dim_qk)] = 1;
      return table.Encode(levels_, out);
    case Recipe::kGeneric:
    case Recipe::kPeaked:
    case Recipe::kPositive:
      break;
  }
  Normals(Chain(Chain(Chain(key_stream_, ContentOf(problem_, request, key)),
                      static_cast<std::uint64_t>(key)),
                static_cast<std::uint64_t>(head)),
          columns);
  if (case_.recipe == Recipe::kPeaked) {
    const double shape = ScoreShape(request, key, head) / kNormal;
    levels_[0] = static_cast<std::int16_t>(std::floor(shape));
  }
  table.Encode(levels_, out);
  if (case_.recipe == Recipe::kPositive) StoreElement(table.dtype(), kSharedComponent, out);
}

// The balanced code: sign of the pair that (key, column) belongs to, turned around for its second
// key.
void RowSource::Code(std::size_t request, std::int64_t key, int head) {
  const auto columns = static_cast<std::size_t>(problem_.head_dim_v);
  levels_.resize(columns);
  for (const std::int64_t half : {0, 1}) {
    const std::int64_t pair = (key + half) / 2;
    const std::int64_t first = std::max<std::int64_t>(2 * pair - half, 0);
    const bool second = (key + half) % 2 != 0;
    const std::uint64_t stream =
        Chain(Chain(Chain(value_stream_, ContentOf(problem_, request, first)),
                    static_cast<std::uint64_t>(2 * pair + half)),
              static_cast<std::uint64_t>(head));
    const std::size_t begin = half == 0 ? 0 : columns / 2;
    const std::size_t end = half == 0 ? columns / 2 : columns;
    for (std::size_t d = begin; d < end; ++d) {
      const bool minus = ((Draw(stream, d / 64) >> (d % 64)) & 1) != 0;
      levels_[d] = minus != second ? -1 : 1;
    }
  }
}

void RowSource::Value(std::size_t request, std::int64_t key, int head, bool cache, std::byte* out) {
  const auto columns = static_cast<std::size_t>(problem_.head_dim_v);
  const std::uint64_t stream = Chain(Chain(Chain(value_stream_, ContentOf(problem_, request, key)),
                                           static_cast<std::uint64_t>(key)),
                                     static_cast<std::uint64_t>(head));
  switch (case_.recipe) {
    case Recipe::kVCoded:
      Code(request, key, head);
      break;
    case Recipe::kKCoded:
      levels_.assign(columns, 0);
      levels_[static_cast<std::size_t>(GroupOf(request, key, head) % problem_.head_dim_v)] = 1;
      break;
    case Recipe::kGeneric:
    case Recipe::kPeaked:
      Normals(stream, columns);
      break;
    case Recipe::kPositive:
      levels_.resize(columns);
      for (std::size_t d = 0; d < columns; ++d) {
        levels_[d] = static_cast<std::int16_t>(256 + Below(Draw(stream, d), 513));
      }
      break;
  }
  TablesFor(cache).value.Encode(levels_, out);
}

// ---- What must not matter

void StorePoison(Poison poison, DType dtype, std::uint64_t random, std::byte* at) {
  const double sign = (random & 1) != 0 ? -1.0 : 1.0;
  switch (poison) {
    case Poison::kLoud:
      return StoreElement(dtype, sign * static_cast<double>(16384 + 32 * (random >> 1) % 16384),
                          at);
    case Poison::kNan:
      return StoreElement(dtype, std::numeric_limits<double>::quiet_NaN(), at);
    case Poison::kInf:
      return StoreElement(dtype, sign * std::numeric_limits<double>::infinity(), at);
  }
}

bool RowSource::Special(std::uint64_t key, DType dtype, std::size_t count, std::byte* out) const {
  if (case_.poison == Poison::kLoud) return false;
  for (std::size_t d = 0; d < count; ++d) {
    StorePoison(case_.poison, dtype, Draw(key, d), out + d * SizeOf(dtype));
  }
  return true;
}

// Levels of magnitude 1024..2047, either sign.
void RowSource::Loud(std::uint64_t key, std::size_t count) {
  levels_.resize(count);
  for (std::size_t d = 0; d < count; ++d) {
    const std::uint64_t random = Draw(key, d);
    const int magnitude = 1024 + static_cast<int>((random >> 1) & 1023);
    levels_[d] = static_cast<std::int16_t>((random & 1) != 0 ? -magnitude : magnitude);
  }
}

void RowSource::DeadQuery(std::uint64_t place, int head, std::byte* out) {
  const auto columns = static_cast<std::size_t>(problem_.head_dim_qk);
  const std::uint64_t key =
      Chain(Chain(Chain(dead_stream_, 1), place), static_cast<std::uint64_t>(head));
  if (Special(key, dead_query_.dtype(), columns, out)) return;
  Loud(key, columns);
  dead_query_.Encode(levels_, out);
}

void RowSource::DeadKey(std::uint64_t place, int head, bool cache, std::byte* out) {
  const auto columns = static_cast<std::size_t>(problem_.head_dim_qk);
  const std::uint64_t key =
      Chain(Chain(Chain(dead_stream_, 2), place), static_cast<std::uint64_t>(head));
  const LevelTable& table = TablesFor(cache).dead_key;
  if (Special(key, table.dtype(), columns, out)) return;
  switch (case_.recipe) {
    case Recipe::kVCoded:
      levels_.assign(columns, 0);
      break;
    case Recipe::kKCoded:
      levels_.assign(columns, -64);
      break;
    case Recipe::kGeneric:
      Loud(key, columns);
      break;
    case Recipe::kPeaked:
    case Recipe::kPositive:
      levels_.assign(columns, 0);
      break;
  }
  table.Encode(levels_, out);
  if (units_.dead_key_column0) StoreElement(table.dtype(), *units_.dead_key_column0, out);
}

void RowSource::DeadValue(std::uint64_t place, int head, bool cache, std::byte* out) {
  const auto columns = static_cast<std::size_t>(problem_.head_dim_v);
  const std::uint64_t key =
      Chain(Chain(Chain(dead_stream_, 3), place), static_cast<std::uint64_t>(head));
  const LevelTable& table = TablesFor(cache).dead_value;
  if (Special(key, table.dtype(), columns, out)) return;
  Loud(key, columns);
  for (std::size_t d = 0; d < columns; ++d) {
    if (case_.recipe == Recipe::kVCoded) {
      const int code = (levels_[d] & 2) != 0 ? 7 : 5;
      levels_[d] = static_cast<std::int16_t>(levels_[d] < 0 ? -code : code);
    } else if (case_.recipe == Recipe::kKCoded) {
      levels_[d] = static_cast<std::int16_t>(40 + (levels_[d] & 7));
    }
  }
  table.Encode(levels_, out);
}

}  // namespace attest
