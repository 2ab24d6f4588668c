// SPDX-License-Identifier: Apache-2.0
#include "reference/float_formats.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace attest {
namespace {

// A format with one sign bit, an exponent field biased so that field 1 means 2^min_exponent, and
// `mantissa_bits` stored bits. The largest exponent field means infinity and NaN.
struct Layout {
  int mantissa_bits;
  int exponent_bits;
  int min_exponent;

  constexpr std::uint32_t infinity() const { return ((1U << exponent_bits) - 1U) << mantissa_bits; }
  constexpr std::uint32_t sign() const { return 1U << (mantissa_bits + exponent_bits); }
};

constexpr Layout kBinary32 = {23, 8, -126};
constexpr Layout kBinary16 = {10, 5, -14};
constexpr Layout kBrain16 = {7, 8, -126};
constexpr Layout kE5M2 = {2, 5, -14};
constexpr Layout kE4M3FN = {3, 4, -6};
constexpr Layout kE4M3FNUZ = {3, 4, -7};

constexpr int kDoubleMantissaBits = 52;
constexpr int kDoubleBias = 1023;
constexpr std::uint64_t kDoubleExponentMask = 0x7FF;
constexpr std::uint64_t kDoubleHidden = std::uint64_t{1} << kDoubleMantissaBits;

// Every exponent field means a finite number.
template <Layout kLayout>
double DecodeFinite(std::uint32_t bits) {
  const std::uint64_t sign = (bits & kLayout.sign()) != 0 ? std::uint64_t{1} << 63 : 0;
  const std::uint32_t exponent = (bits & kLayout.infinity()) >> kLayout.mantissa_bits;
  const std::uint64_t mantissa = bits & ((1U << kLayout.mantissa_bits) - 1U);
  constexpr int kShift = kDoubleMantissaBits - kLayout.mantissa_bits;
  if (exponent != 0) {
    const std::uint64_t field =
        exponent + static_cast<std::uint64_t>(kDoubleBias - 1 + kLayout.min_exponent);
    return std::bit_cast<double>(sign | (field << kDoubleMantissaBits) | (mantissa << kShift));
  }
  if (mantissa == 0) return std::bit_cast<double>(sign);
  const int leading = std::bit_width(mantissa) - 1;  // a subnormal here is normal in double
  const auto field = static_cast<std::uint64_t>(kDoubleBias + kLayout.min_exponent -
                                                kLayout.mantissa_bits + leading);
  const std::uint64_t fraction = (mantissa << (kDoubleMantissaBits - leading)) & ~kDoubleHidden;
  return std::bit_cast<double>(sign | (field << kDoubleMantissaBits) | fraction);
}

// Without a branch in the loop, so that the compiler makes vectors of it.
template <Layout kLayout, typename Bits>
bool DecodeNormals(const std::byte* from, std::size_t count, double* to) {
  constexpr int kShift = kDoubleMantissaBits - kLayout.mantissa_bits;
  constexpr auto kBias = static_cast<std::uint64_t>(kDoubleBias - 1 + kLayout.min_exponent)
                         << kDoubleMantissaBits;
  constexpr int kSignShift = 63 - kLayout.mantissa_bits - kLayout.exponent_bits;
  std::uint64_t odd = 0;
  for (std::size_t i = 0; i < count; ++i) {
    Bits stored = 0;
    std::memcpy(&stored, from + i * sizeof(Bits), sizeof(Bits));
    const std::uint64_t bits = stored;
    const std::uint64_t size = bits & (kLayout.sign() - 1U);
    const std::uint64_t exponent = bits & kLayout.infinity();
    const std::uint64_t zero = size == 0 ? 1 : 0;
    odd |= (exponent == kLayout.infinity() ? 1 : 0) | ((exponent == 0 ? 1 : 0) & (zero ^ 1));
    const std::uint64_t number = zero != 0 ? 0 : (size << kShift) + kBias;
    to[i] = std::bit_cast<double>(((bits & kLayout.sign()) << kSignShift) | number);
  }
  return odd == 0;
}

template <Layout kLayout>
double Decode(std::uint32_t bits) {
  if ((bits & kLayout.infinity()) != kLayout.infinity()) return DecodeFinite<kLayout>(bits);
  const std::uint64_t sign = (bits & kLayout.sign()) != 0 ? std::uint64_t{1} << 63 : 0;
  const std::uint64_t mantissa = bits & ((1U << kLayout.mantissa_bits) - 1U);
  return std::bit_cast<double>(sign | (kDoubleExponentMask << kDoubleMantissaBits) |
                               (mantissa << (kDoubleMantissaBits - kLayout.mantissa_bits)));
}

// value / 2^shift, to nearest, ties to even; 1 <= shift <= 63.
std::uint64_t ShiftToNearestEven(std::uint64_t value, int shift) {
  const std::uint64_t quotient = value >> shift;
  const std::uint64_t rest = value & ((std::uint64_t{1} << shift) - 1);
  const std::uint64_t half = std::uint64_t{1} << (shift - 1);
  const bool up = rest > half || (rest == half && (quotient & 1) != 0);
  return quotient + (up ? 1 : 0);
}

// Bits of |value| without an upper end: exponent fields grow past those of the format. `value` is
// finite.
template <Layout kLayout>
std::uint64_t EncodeMagnitude(double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const std::uint64_t field = (bits >> kDoubleMantissaBits) & kDoubleExponentMask;
  const std::uint64_t fraction = bits & (kDoubleHidden - 1);
  if (field == 0) return 0;  // below 2^-1022: far below half of any subnormal here
  const int exponent = static_cast<int>(field) - kDoubleBias;
  const bool normal = exponent >= kLayout.min_exponent;
  const int shift =
      kDoubleMantissaBits - kLayout.mantissa_bits + (normal ? 0 : kLayout.min_exponent - exponent);
  if (shift > kDoubleMantissaBits + 2) return 0;  // below half of the smallest subnormal
  std::uint64_t magnitude = ShiftToNearestEven(fraction | kDoubleHidden, shift);
  // A carry out of the mantissa is the next exponent, also from subnormal to normal.
  if (normal) {
    magnitude += static_cast<std::uint64_t>(exponent - kLayout.min_exponent)
                 << kLayout.mantissa_bits;
  }
  return magnitude;
}

template <Layout kLayout>
std::uint32_t Encode(double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const std::uint32_t sign = (bits >> 63) != 0 ? kLayout.sign() : 0;
  if (((bits >> kDoubleMantissaBits) & kDoubleExponentMask) == kDoubleExponentMask) {
    const bool nan = (bits & (kDoubleHidden - 1)) != 0;
    const std::uint32_t quiet = 1U << (kLayout.mantissa_bits - 1);
    return sign | kLayout.infinity() | (nan ? quiet : 0);
  }
  const std::uint64_t magnitude = EncodeMagnitude<kLayout>(value);
  if (magnitude >= kLayout.infinity()) return sign | kLayout.infinity();
  return sign | static_cast<std::uint32_t>(magnitude);
}

// `value` is no NaN.
template <Layout kLayout>
std::uint8_t EncodeSaturated(double value, std::uint64_t largest) {
  const std::uint64_t magnitude =
      std::isinf(value) ? largest : std::min(EncodeMagnitude<kLayout>(value), largest);
  return static_cast<std::uint8_t>((std::signbit(value) ? 0x80U : 0U) | magnitude);
}

// Whatever the host's rounding mode; NaN becomes 0.
double NearestEven(double value) {
  if (std::isnan(value)) return 0.0;
  const double below = std::floor(value);
  const double rest = value - below;
  if (rest != 0.5) return rest < 0.5 ? below : below + 1.0;
  return std::fmod(below, 2.0) == 0.0 ? below : below + 1.0;
}

template <typename Bits>
Bits ReadBits(const std::byte* address) {
  Bits bits;
  std::memcpy(&bits, address, sizeof(bits));
  return bits;
}

template <typename Bits>
void WriteBits(Bits bits, std::byte* address) {
  std::memcpy(address, &bits, sizeof(bits));
}

}  // namespace

double Float16ToDouble(std::uint16_t bits) { return Decode<kBinary16>(bits); }
double BFloat16ToDouble(std::uint16_t bits) { return Decode<kBrain16>(bits); }

std::uint16_t DoubleToFloat16(double value) {
  return static_cast<std::uint16_t>(Encode<kBinary16>(value));
}
std::uint16_t DoubleToBFloat16(double value) {
  return static_cast<std::uint16_t>(Encode<kBrain16>(value));
}
std::uint32_t DoubleToFloat32Bits(double value) { return Encode<kBinary32>(value); }

double Float8ToDouble(DType format, std::uint8_t bits) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  switch (format) {
    case DType::kFloat8E4M3FN:
      return (bits & 0x7FU) == 0x7FU ? kNaN : DecodeFinite<kE4M3FN>(bits);
    case DType::kFloat8E4M3FNUZ:
      return bits == 0x80U ? kNaN : DecodeFinite<kE4M3FNUZ>(bits);
    case DType::kFloat8E5M2:
      return Decode<kE5M2>(bits);
    default:
      return kNaN;
  }
}

std::uint8_t DoubleToFloat8(DType format, double value) {
  switch (format) {
    case DType::kFloat8E4M3FN:
      return std::isnan(value) ? 0x7F : EncodeSaturated<kE4M3FN>(value, 0x7E);
    case DType::kFloat8E4M3FNUZ: {
      const std::uint8_t bits = std::isnan(value) ? 0x80 : EncodeSaturated<kE4M3FNUZ>(value, 0x7F);
      return bits == 0x80 && !std::isnan(value) ? 0 : bits;  // there is no negative zero
    }
    case DType::kFloat8E5M2:
      return std::isnan(value) ? 0x7E : EncodeSaturated<kE5M2>(value, 0x7B);
    default:
      return 0;
  }
}

double LargestFinite(DType format) {
  return Float8ToDouble(format, DoubleToFloat8(format, std::numeric_limits<double>::infinity()));
}

double LoadElement(DType dtype, const std::byte* address) {
  switch (dtype) {
    case DType::kFloat32:
      return Decode<kBinary32>(ReadBits<std::uint32_t>(address));
    case DType::kFloat16:
      return Decode<kBinary16>(ReadBits<std::uint16_t>(address));
    case DType::kBFloat16:
      return Decode<kBrain16>(ReadBits<std::uint16_t>(address));
    case DType::kFloat8E4M3FN:
    case DType::kFloat8E4M3FNUZ:
    case DType::kFloat8E5M2:
      return Float8ToDouble(dtype, ReadBits<std::uint8_t>(address));
    case DType::kInt8:
      return ReadBits<std::int8_t>(address);
    default:
      return std::numeric_limits<double>::quiet_NaN();
  }
}

void StoreElement(DType dtype, double value, std::byte* address) {
  switch (dtype) {
    case DType::kFloat32:
      return WriteBits(DoubleToFloat32Bits(value), address);
    case DType::kFloat16:
      return WriteBits(DoubleToFloat16(value), address);
    case DType::kBFloat16:
      return WriteBits(DoubleToBFloat16(value), address);
    case DType::kFloat8E4M3FN:
    case DType::kFloat8E4M3FNUZ:
    case DType::kFloat8E5M2:
      return WriteBits(DoubleToFloat8(dtype, value), address);
    case DType::kInt8:
      return WriteBits(static_cast<std::int8_t>(std::clamp(NearestEven(value), -128.0, 127.0)),
                       address);
    default:
      return;
  }
}

bool LoadNormals(DType dtype, const std::byte* from, std::size_t count, double* to) {
  switch (dtype) {
    case DType::kFloat32:
      return DecodeNormals<kBinary32, std::uint32_t>(from, count, to);
    case DType::kFloat16:
      return DecodeNormals<kBinary16, std::uint16_t>(from, count, to);
    case DType::kBFloat16:
      return DecodeNormals<kBrain16, std::uint16_t>(from, count, to);
    default:
      return false;
  }
}

double RoundTo(DType dtype, double value) {
  std::array<std::byte, sizeof(float)> element{};
  StoreElement(dtype, value, element.data());
  return LoadElement(dtype, element.data());
}

}  // namespace attest
