// SPDX-License-Identifier: Apache-2.0
#include "conformance/testing/planted/elements.h"

#include <bit>
#include <cmath>
#include <cstring>

namespace attest {
namespace {

// Value of a binary format with `mantissa` stored bits and exponents from `emin` on, sign included
// in bit 15.
double Decode16(std::uint16_t bits, int mantissa, int emin) {
  const int exponent = (bits & 0x7fff) >> mantissa;
  const int fraction = bits & ((1 << mantissa) - 1);
  const double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
  if (exponent == (0x7fff >> mantissa)) return fraction == 0 ? sign * INFINITY : NAN;
  if (exponent == 0) return sign * std::ldexp(fraction, emin - mantissa);
  return sign * std::ldexp(fraction + (1 << mantissa), emin + exponent - 1 - mantissa);
}

// The nearest 16-bit pattern. nearbyint rounds ties to even in the default rounding mode.
std::uint16_t Encode16(double value, int mantissa, int emin) {
  const std::uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const int all_ones = 0x7fff >> mantissa;
  if (std::isnan(value)) return static_cast<std::uint16_t>(sign | 0x7fff);
  const auto infinity = static_cast<std::uint16_t>(sign | (all_ones << mantissa));
  if (std::isinf(value)) return infinity;
  const double magnitude = std::fabs(value);
  const int exponent = magnitude == 0 ? emin : std::max(std::ilogb(magnitude), emin);
  const double ulps = std::nearbyint(std::ldexp(magnitude, mantissa - exponent));
  // Counting ulps from 0 makes a carry into the next exponent come out right by itself.
  const double pattern = ulps + static_cast<double>(exponent - emin) * (1 << mantissa);
  if (pattern >= (all_ones << mantissa)) return infinity;
  return static_cast<std::uint16_t>(sign | static_cast<int>(pattern));
}

}  // namespace

ElementType ElementTypeOf(attest_dtype_t dtype) {
  if (dtype.lanes != 1) return ElementType::kUnknown;
  if (dtype.code == ATTEST_FLOAT && dtype.bits == 32) return ElementType::kFloat32;
  if (dtype.code == ATTEST_FLOAT && dtype.bits == 16) return ElementType::kFloat16;
  if (dtype.code == ATTEST_BFLOAT && dtype.bits == 16) return ElementType::kBFloat16;
  return ElementType::kUnknown;
}

std::byte* AddressOf(const attest_tensor_t& tensor, std::initializer_list<std::int64_t> index) {
  std::int64_t offset = 0;
  std::size_t axis = 0;
  for (const std::int64_t i : index) offset += i * tensor.strides[axis++];
  return static_cast<std::byte*>(tensor.data) + tensor.byte_offset +
         offset * (tensor.dtype.bits / 8);
}

double LoadAs(ElementType type, const std::byte* address) {
  if (type == ElementType::kFloat32) {
    float value = 0;
    std::memcpy(&value, address, sizeof(value));
    return value;
  }
  std::uint16_t bits = 0;
  std::memcpy(&bits, address, sizeof(bits));
  if (type == ElementType::kFloat16) return Decode16(bits, 10, -14);
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

void StoreAs(ElementType type, double value, std::byte* address) {
  if (type == ElementType::kFloat32) {
    const auto narrow = static_cast<float>(value);
    std::memcpy(address, &narrow, sizeof(narrow));
    return;
  }
  const std::uint16_t bits =
      type == ElementType::kFloat16 ? Encode16(value, 10, -14) : Encode16(value, 7, -126);
  std::memcpy(address, &bits, sizeof(bits));
}

double RoundToBFloat16(double value) { return Decode16(Encode16(value, 7, -126), 7, -126); }

}  // namespace attest
