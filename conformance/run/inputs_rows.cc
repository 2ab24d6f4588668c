// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/inputs_rows.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "conformance/run/inputs_random.h"
#include "reference/float_formats.h"
#include "spec/vocabulary/mask.h"

namespace attest {
namespace {

constexpr double kNormal = 1.0 / 512;      // a NormalLevel times this has standard deviation 1
constexpr double kLoudestScale = 4.0;      // what a larger scale counts as
constexpr double kPeakScore = 20.0;        // of peaked rows, with a key component of 1
constexpr double kSharedScore = 200.0;     // of positive rows; its sign is that of the scale
constexpr double kSharedComponent = 16.0;  // of their keys
constexpr double kStepScore = 0.5;         // of stepped rows
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

// From `number`, which is one of the 8-bit type's, to the next one above.
double StepAbove(DType dtype, double number) {
  const std::optional<FloatFormat> format = FormatOf(dtype);
  if (!format) return 1.0;
  int exponent = format->min_exponent;
  if (number != 0.0) exponent = std::max(exponent, std::ilogb(number));
  const double step = std::ldexp(1.0, exponent - format->mantissa_bits);
  const bool power_of_two = number == -std::ldexp(1.0, exponent) && exponent > format->min_exponent;
  return power_of_two ? step / 2 : step;
}

bool IsFloat16(const Problem& problem) {
  return problem.cache_dtype == DType::kFloat16 || problem.output_dtype == DType::kFloat16;
}

}  // namespace

// ---- Encoding

double Storage::Element(double number) const {
  if (SizeOf(cache_dtype) != 1) return RoundTo(cache_dtype, RoundTo(query_dtype, number));
  const double cached = RoundTo(cache_dtype, RoundTo(query_dtype, number) / scale);
  return InCache() ? cached : (cached + 0.4 * StepAbove(cache_dtype, cached)) * scale;
}

LevelTable::LevelTable(const Storage& storage, double unit)
    : storage_(storage),
      unit_(unit),
      bits_(kHighest - kLowest + 1),
      known_(kHighest - kLowest + 1) {}

void LevelTable::Put(double number, std::byte* at) const {
  StoreElement(storage_.dtype, storage_.Element(number), at);
}

std::uint32_t LevelTable::BitsOf(std::int16_t level) const {
  const auto index = static_cast<std::size_t>(level - kLowest);
  if (known_[index] == 0) {
    std::array<std::byte, sizeof(std::uint32_t)> element = {};
    Put(level * unit_, element.data());
    std::memcpy(&bits_[index], element.data(), element.size());
    known_[index] = 1;
  }
  return bits_[index];
}

void LevelTable::Encode(const std::vector<std::int16_t>& levels, std::byte* row) const {
  const auto put = [&](auto element) {
    for (std::size_t d = 0; d < levels.size(); ++d) {
      element = static_cast<decltype(element)>(BitsOf(levels[d]));
      std::memcpy(row + d * sizeof(element), &element, sizeof(element));
    }
  };
  switch (SizeOf(storage_.dtype)) {
    case sizeof(std::uint32_t):
      return put(std::uint32_t{});
    case sizeof(std::uint16_t):
      return put(std::uint16_t{});
    default:
      return put(std::uint8_t{});
  }
}

// ---- Sizes

double CodeUnitOf(const Case& value) {
  const Problem& p = value.problem;
  if (value.recipe != Recipe::kVCoded) return 1.0;
  if (!IsFloat16(p) || MaxSeqLen(p) <= kLongForFloat16) return 1.0;
  const bool bare = SizeOf(p.cache_dtype) == 1 && p.kv_scale_kind == KvScaleKind::kNone;
  return bare ? 32.0 : 1024.0;  // 7 times 32 is still a number of every 8-bit format
}

RowUnits UnitsOf(const Case& value, double code_unit) {
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
      units.value = units.dead_value = code_unit;
      if (p.cache_layout == CacheLayout::kSharedLatent) {
        units.query = 0;
        units.key = units.dead_key = code_unit;
      }
      break;
    case Recipe::kKCoded:
      units.key = units.dead_key = KeyComponent(scale);
      units.query = 1.0 / (64.0 * scale * units.key);
      units.value = units.dead_value = 1.0;
      break;
    case Recipe::kGeneric:
    case Recipe::kCancelling:
      break;
    case Recipe::kPeaked:
      units.query = 2.0 * rest;
      units.query_column0 = kPeakScore / scale;
      units.dead_key_column0 = 4.0;
      break;
    case Recipe::kPositive:
      units.query = rest;
      // A negative scale makes the shared score negative; unused keys then stand far above it.
      units.query_column0 = kSharedScore / (std::abs(scale) * kSharedComponent);
      units.dead_key_column0 = std::copysign(2.0 * kSharedComponent, scale);
      break;
    case Recipe::kStepped:
      units.key = 1.0;
      units.value = 0.25;
      units.query_column0 = kStepScore / scale;
      units.dead_key_column0 = 64.0;
      break;
  }
  return units;
}

// ---- Rows

namespace {

// Magnitude of the numbers that must be stored exactly.
double KeySize(const Case& value, const RowUnits& units) {
  switch (value.recipe) {
    case Recipe::kVCoded:
      return value.problem.cache_layout == CacheLayout::kSharedLatent ? units.key : 1.0;
    case Recipe::kKCoded:
      return units.key;
    case Recipe::kGeneric:
    case Recipe::kPeaked:
    case Recipe::kStepped:
    case Recipe::kCancelling:
      return 1.0;
    case Recipe::kPositive:
      return kSharedComponent;
  }
  return 1.0;
}

Storage QueryStorage(const Problem& p) { return {p.query_dtype, p.query_dtype, p.query_dtype}; }

Storage WithScale(Storage storage, double scale) {
  storage.scale = scale;
  return storage;
}

}  // namespace

RowSource::Tables::Tables(Storage storage, const KvScale& scale, const RowUnits& units)
    : key(WithScale(storage, scale.key), units.key),
      value(WithScale(storage, scale.value), units.value),
      dead_key(WithScale(storage, scale.key), units.dead_key),
      dead_value(WithScale(storage, scale.value), units.dead_value) {}

RowSource::RowSource(const Case& value, std::uint64_t seed, const Texts& texts, double code_unit)
    : case_(value),
      problem_(value.problem),
      texts_(texts),
      units_(UnitsOf(value, code_unit)),
      scales_(value, seed, KeySize(value, units_),
              value.recipe == Recipe::kVCoded ? code_unit : 1.0),
      query_stream_(StreamKey(value.id, seed, "query")),
      key_stream_(StreamKey(value.id, seed, "key")),
      value_stream_(StreamKey(value.id, seed, "value")),
      dead_stream_(StreamKey(value.id, seed, "dead")),
      query_(QueryStorage(problem_), units_.query),
      dead_query_(QueryStorage(problem_), 1.0) {}

const RowSource::Tables& RowSource::TablesFor(bool cache, const KvScale& scale) {
  const auto found = tables_.find({cache, scale});
  if (found != tables_.end()) return found->second;
  const Storage storage = {cache ? problem_.cache_dtype : problem_.query_dtype,
                           problem_.query_dtype, problem_.cache_dtype};
  return tables_.emplace(std::pair{cache, scale}, Tables(storage, scale, units_)).first->second;
}

KvScale RowSource::ScaleOf(std::size_t request, std::int64_t key, int head) const {
  const std::int64_t source = texts_.SourceKey(request, key);
  return scales_.At(texts_.ContentOf(request, source), source, head);
}

// Does a key carry the code, of which its value is a part?
bool RowSource::LatentCode() const {
  return case_.recipe == Recipe::kVCoded && problem_.cache_layout == CacheLayout::kSharedLatent;
}

void RowSource::Normals(std::uint64_t key, std::size_t count) {
  levels_.resize(count);
  for (std::size_t d = 0; d < count; ++d) {
    levels_[d] = static_cast<std::int16_t>(NormalLevel(Draw(key, d)));
  }
}

void RowSource::Query(std::size_t request, std::int64_t row, int head, std::byte* out) {
  const auto columns = static_cast<std::size_t>(problem_.head_dim_qk);
  const bool cross = problem_.attention_type == AttentionType::kEncoderDecoder;
  const std::int64_t position = cross ? row : PositionOf(problem_, request, row);
  const std::uint64_t key = Chain(
      Chain(Chain(query_stream_, texts_.Of(request).index), static_cast<std::uint64_t>(position)),
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
      Chain(Chain(key_stream_, texts_.ContentOf(request, key)), static_cast<std::uint64_t>(key));
  const auto groups =
      static_cast<std::uint64_t>(std::max(problem_.head_dim_qk, problem_.head_dim_v));
  return static_cast<int>(Below(Draw(stream, static_cast<std::uint64_t>(head)), groups));
}

// +1 or -1, by the octave of the distance to the last key of the text.
double RowSource::Step(std::size_t request, std::int64_t key) const {
  const std::int64_t length = texts_.LengthOf(request, texts_.ContentOf(request, key));
  const auto distance = static_cast<std::uint64_t>(std::max<std::int64_t>(length - 1 - key, 0));
  return std::bit_width(distance + 1) % 2 != 0 ? 1.0 : -1.0;
}

double RowSource::ScoreShape(std::size_t request, std::int64_t key, int head) const {
  const ContentId content = texts_.ContentOf(request, key);
  const std::int64_t length = texts_.LengthOf(request, content);
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

// Of a text of L keys, key L / 2 + k stands for key k once more; an odd last one stands for itself.
RowSource::Repeat RowSource::RepeatOf(std::size_t request, std::int64_t key) const {
  if (case_.recipe != Recipe::kCancelling) return {key, 1};
  const std::int64_t half = texts_.LengthOf(request, texts_.ContentOf(request, key)) / 2;
  if (key < half) return {key, 1};
  return key < 2 * half ? Repeat{key - half, -1} : Repeat{key, 0};
}

void RowSource::Key(std::size_t request, std::int64_t key, int head, bool cache, std::byte* out) {
  const auto columns = static_cast<std::size_t>(problem_.head_dim_qk);
  const LevelTable& table = TablesFor(cache, ScaleOf(request, key, head)).key;
  key = texts_.SourceKey(request, key);
  switch (case_.recipe) {
    case Recipe::kVCoded:
      if (LatentCode()) {
        LatentKeyCode(request, key, head);
      } else {
        levels_.assign(columns, 0);
      }
      return table.Encode(levels_, out);
    case Recipe::kKCoded:
      levels_.assign(columns, 0);
      levels_[static_cast<std::size_t>(GroupOf(request, key, head) % problem_.head_dim_qk)] = 1;
      return table.Encode(levels_, out);
    case Recipe::kStepped:
      levels_.assign(columns, 0);
      levels_[0] = static_cast<std::int16_t>(Step(request, key));
      return table.Encode(levels_, out);
    case Recipe::kGeneric:
    case Recipe::kPeaked:
    case Recipe::kPositive:
    case Recipe::kCancelling:
      break;
  }
  const std::int64_t source = RepeatOf(request, key).key;
  Normals(Chain(Chain(Chain(key_stream_, texts_.ContentOf(request, source)),
                      static_cast<std::uint64_t>(source)),
                static_cast<std::uint64_t>(head)),
          columns);
  if (case_.recipe == Recipe::kPeaked) {
    const double shape = ScoreShape(request, key, head) / kNormal;
    levels_[0] = static_cast<std::int16_t>(std::floor(shape));
  }
  table.Encode(levels_, out);
  if (case_.recipe == Recipe::kPositive) table.Put(kSharedComponent, out);
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
    const std::uint64_t stream = Chain(Chain(Chain(value_stream_, texts_.ContentOf(request, first)),
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

// The code, and a sign for each column behind it.
void RowSource::LatentKeyCode(std::size_t request, std::int64_t key, int head) {
  Code(request, key, head);
  const std::uint64_t stream = Chain(
      Chain(Chain(key_stream_, texts_.ContentOf(request, key)), static_cast<std::uint64_t>(key)),
      static_cast<std::uint64_t>(head));
  for (std::size_t d = levels_.size(); d < static_cast<std::size_t>(problem_.head_dim_qk); ++d) {
    levels_.push_back((Draw(stream, d) & 1) != 0 ? -1 : 1);
  }
}

void RowSource::Value(std::size_t request, std::int64_t key, int head, bool cache, std::byte* out) {
  const auto columns = static_cast<std::size_t>(problem_.head_dim_v);
  const LevelTable& table = TablesFor(cache, ScaleOf(request, key, head)).value;
  if (problem_.cache_layout == CacheLayout::kSharedLatent) {
    latent_.resize(static_cast<std::size_t>(problem_.head_dim_qk) * SizeOf(table.dtype()));
    Key(request, key, head, cache, latent_.data());
    std::memcpy(out, latent_.data(), columns * SizeOf(table.dtype()));
    return;
  }
  key = texts_.SourceKey(request, key);
  const Repeat repeat = RepeatOf(request, key);
  const std::uint64_t stream = Chain(Chain(Chain(value_stream_, texts_.ContentOf(request, key)),
                                           static_cast<std::uint64_t>(repeat.key)),
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
    case Recipe::kCancelling:
      Normals(stream, columns);
      for (std::size_t d = 1; d < columns; ++d) {
        levels_[d] = static_cast<std::int16_t>(levels_[d] * repeat.sign);
      }
      // Were all columns to cancel, an output of zeros would pass.
      levels_[0] = static_cast<std::int16_t>(std::abs(levels_[0]));
      break;
    case Recipe::kPositive:
      levels_.resize(columns);
      for (std::size_t d = 0; d < columns; ++d) {
        levels_[d] = static_cast<std::int16_t>(256 + Below(Draw(stream, d), 513));
      }
      break;
    case Recipe::kStepped: {
      const std::uint64_t sizes = Chain(value_stream_, static_cast<std::uint64_t>(head));
      const int sign = static_cast<int>(Step(request, key));
      levels_.resize(columns);
      for (std::size_t d = 0; d < columns; ++d) {
        levels_[d] =
            static_cast<std::int16_t>(sign * static_cast<int>(2 + Below(Draw(sizes, d), 5)));
      }
      break;
    }
  }
  table.Encode(levels_, out);
}

// ---- What must not matter

namespace {

// Bits of a NaN, of an infinity and of the largest number of an 8-bit type, without the sign; 0
// where there is none.
struct Extremes {
  std::uint8_t nan;
  std::uint8_t infinity;
  std::uint8_t largest;
};

Extremes ExtremesOf(DType dtype) {
  switch (dtype) {
    case DType::kFloat8E4M3FN:
      return {0x7F, 0, 0x7E};
    case DType::kFloat8E4M3FNUZ:
      return {0x80, 0, 0x7F};
    case DType::kFloat8E5M2:
      return {0x7E, 0x7C, 0x7B};
    default:
      return {0, 0, 0x7F};
  }
}

std::byte Poison8(Poison poison, DType dtype, std::uint64_t random) {
  const Extremes bits = ExtremesOf(dtype);
  std::uint8_t element = bits.largest;
  if (poison == Poison::kNan && bits.nan != 0) element = bits.nan;
  if (poison == Poison::kInf && bits.infinity != 0) element = bits.infinity;
  if (element == 0x80 || (random & 1) == 0) return std::byte{element};
  if (dtype == DType::kInt8) return std::byte{0x80};
  return std::byte{static_cast<std::uint8_t>(element | 0x80U)};
}

}  // namespace

void StorePoison(Poison poison, DType dtype, std::uint64_t random, std::byte* at) {
  if (SizeOf(dtype) == 1) {
    *at = Poison8(poison, dtype, random);
    return;
  }
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

// Turns loud levels into +-5 and +-7, which no live code is.
void RowSource::DeadCode() {
  for (std::int16_t& level : levels_) {
    const int code = (level & 2) != 0 ? 7 : 5;
    level = static_cast<std::int16_t>(level < 0 ? -code : code);
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
  const LevelTable& table = TablesFor(cache, DeadScale(head)).dead_key;
  if (Special(key, table.dtype(), columns, out)) return;
  switch (case_.recipe) {
    case Recipe::kVCoded:
      if (LatentCode()) {
        Loud(key, columns);
        DeadCode();
      } else {
        levels_.assign(columns, 0);
      }
      break;
    case Recipe::kKCoded:
      levels_.assign(columns, -64);
      break;
    case Recipe::kGeneric:
    case Recipe::kCancelling:
      Loud(key, columns);
      break;
    case Recipe::kPeaked:
    case Recipe::kPositive:
    case Recipe::kStepped:
      levels_.assign(columns, 0);
      break;
  }
  table.Encode(levels_, out);
  if (units_.dead_key_column0) table.Put(*units_.dead_key_column0, out);
}

void RowSource::DeadValue(std::uint64_t place, int head, bool cache, std::byte* out) {
  const auto columns = static_cast<std::size_t>(problem_.head_dim_v);
  const std::uint64_t key =
      Chain(Chain(Chain(dead_stream_, 3), place), static_cast<std::uint64_t>(head));
  const LevelTable& table = TablesFor(cache, DeadScale(head)).dead_value;
  if (Special(key, table.dtype(), columns, out)) return;
  Loud(key, columns);
  if (case_.recipe == Recipe::kVCoded) DeadCode();
  for (std::size_t d = 0; case_.recipe == Recipe::kKCoded && d < columns; ++d) {
    levels_[d] = static_cast<std::int16_t>(40 + (levels_[d] & 7));
  }
  table.Encode(levels_, out);
}

}  // namespace attest
