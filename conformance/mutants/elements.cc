// SPDX-License-Identifier: Apache-2.0
#include "conformance/mutants/elements.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace attest {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// A sign, `exponent_bits`, `fraction_bits`. `ieee`: the largest exponent is infinity and NaN.
struct Shape {
  int exponent_bits;
  int fraction_bits;
  int bias;
  bool ieee;
  int bits() const { return 1 + exponent_bits + fraction_bits; }
};

Shape ShapeOf(Format format) {
  switch (format) {
    case Format::kFloat16:
      return {5, 10, 15, true};
    case Format::kBFloat16:
      return {8, 7, 127, true};
    case Format::kFloat8E4M3FN:
      return {4, 3, 7, false};
    case Format::kFloat8E4M3FNUZ:
      return {4, 3, 8, false};
    default:
      return {5, 2, 15, true};
  }
}

bool IsNanCode(Format format, unsigned magnitude, bool negative) {
  if (format == Format::kFloat8E4M3FN) return magnitude == 0x7f;
  if (format == Format::kFloat8E4M3FNUZ) return negative && magnitude == 0;
  return false;
}

double DecodeBits(Format format, unsigned bits) {
  const Shape shape = ShapeOf(format);
  const unsigned sign_bit = 1U << (shape.bits() - 1);
  const bool negative = (bits & sign_bit) != 0;
  const unsigned magnitude = bits & (sign_bit - 1);
  const auto exponent = static_cast<int>(magnitude >> shape.fraction_bits);
  const auto fraction = static_cast<int>(magnitude & ((1U << shape.fraction_bits) - 1));
  const double sign = negative ? -1.0 : 1.0;
  if (IsNanCode(format, magnitude, negative)) return kNan;
  if (shape.ieee && exponent == (1 << shape.exponent_bits) - 1) {
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : kNan;
  }
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - shape.bias - shape.fraction_bits);
  return sign * std::ldexp(fraction + (1 << shape.fraction_bits),
                           exponent - shape.bias - shape.fraction_bits);
}

// The code of the largest number; one more is infinity where there is one.
unsigned LargestCode(Format format) {
  const Shape shape = ShapeOf(format);
  if (format == Format::kFloat8E4M3FN) return 0x7e;
  if (format == Format::kFloat8E4M3FNUZ) return 0x7f;
  return (((1U << shape.exponent_bits) - 1) << shape.fraction_bits) - 1;
}

unsigned EncodeBits(Format format, double value) {
  const Shape shape = ShapeOf(format);
  const unsigned sign = std::signbit(value) ? 1U << (shape.bits() - 1) : 0;
  if (std::isnan(value)) {
    if (format == Format::kFloat8E4M3FNUZ) return 0x80;
    return (1U << (shape.bits() - 1)) - 1;
  }
  const unsigned largest = LargestCode(format);
  const unsigned beyond = shape.ieee ? largest + 1 : largest;
  if (std::isinf(value)) return sign | beyond;
  const double magnitude = std::fabs(value);
  const int emin = 1 - shape.bias;
  const int exponent = magnitude == 0 ? emin : std::max(std::ilogb(magnitude), emin);
  // nearbyint rounds ties to even. Counting steps from 0 makes a carry into the next exponent come
  // out right by itself.
  const double steps = std::nearbyint(std::ldexp(magnitude, shape.fraction_bits - exponent)) +
                       std::ldexp(exponent - emin, shape.fraction_bits);
  const unsigned code = steps > largest ? beyond : static_cast<unsigned>(steps);
  return format == Format::kFloat8E4M3FNUZ && code == 0 ? 0 : sign | code;
}

}  // namespace

Format FormatOfAbi(attest_dtype_t dtype) {
  if (dtype.lanes != 1) return Format::kUnknown;
  if (dtype.code == ATTEST_FLOAT && dtype.bits == 32) return Format::kFloat32;
  if (dtype.code == ATTEST_FLOAT && dtype.bits == 16) return Format::kFloat16;
  if (dtype.code == ATTEST_BFLOAT && dtype.bits == 16) return Format::kBFloat16;
  if (dtype.bits != 8) return Format::kUnknown;
  if (dtype.code == ATTEST_FLOAT8_E4M3FN) return Format::kFloat8E4M3FN;
  if (dtype.code == ATTEST_FLOAT8_E4M3FNUZ) return Format::kFloat8E4M3FNUZ;
  if (dtype.code == ATTEST_FLOAT8_E5M2) return Format::kFloat8E5M2;
  return dtype.code == ATTEST_INT ? Format::kInt8 : Format::kUnknown;
}

std::int64_t BytesOf(Format format) {
  if (format == Format::kUnknown) return 0;
  if (format == Format::kFloat32) return 4;
  return format == Format::kFloat16 || format == Format::kBFloat16 ? 2 : 1;
}

double Decode(Format format, const std::byte* address) {
  if (format == Format::kFloat32) {
    float value = 0;
    std::memcpy(&value, address, sizeof(value));
    return value;
  }
  if (format == Format::kInt8) return static_cast<std::int8_t>(*address);
  if (BytesOf(format) == 1) return DecodeBits(format, static_cast<unsigned>(*address));
  std::uint16_t bits = 0;
  std::memcpy(&bits, address, sizeof(bits));
  if (format == Format::kBFloat16) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }
  return DecodeBits(format, bits);
}

void Encode(Format format, double value, std::byte* address) {
  if (format == Format::kFloat32) {
    const auto narrow = static_cast<float>(value);
    std::memcpy(address, &narrow, sizeof(narrow));
  } else if (format == Format::kInt8) {
    const auto narrow = static_cast<std::int8_t>(std::clamp(std::nearbyint(value), -128.0, 127.0));
    std::memcpy(address, &narrow, sizeof(narrow));
  } else if (BytesOf(format) == 1) {
    *address = static_cast<std::byte>(EncodeBits(format, value));
  } else {
    const auto bits = static_cast<std::uint16_t>(EncodeBits(format, value));
    std::memcpy(address, &bits, sizeof(bits));
  }
}

double Through(Format format, double value) {
  std::byte stored[4] = {};
  Encode(format, value, stored);
  return Decode(format, stored);
}

std::int64_t OffsetOf(const attest_tensor_t& tensor, std::initializer_list<std::int64_t> index) {
  std::int64_t offset = 0;
  std::size_t axis = 0;
  for (const std::int64_t i : index) offset += i * tensor.strides[axis++];
  return offset;
}

std::byte* AtOffset(const attest_tensor_t& tensor, std::int64_t offset) {
  return static_cast<std::byte*>(tensor.data) + tensor.byte_offset +
         offset * (tensor.dtype.bits / 8);
}

std::byte* AddressOf(const attest_tensor_t& tensor, std::initializer_list<std::int64_t> index) {
  return AtOffset(tensor, OffsetOf(tensor, index));
}

std::int64_t LastOffset(const attest_tensor_t& tensor) {
  if (tensor.data == nullptr) return -1;
  std::int64_t last = 0;
  for (std::int32_t axis = 0; axis < tensor.ndim; ++axis) {
    if (tensor.shape[axis] == 0) return -1;
    last += (tensor.shape[axis] - 1) * tensor.strides[axis];
  }
  return last;
}

bool InSpan(const attest_tensor_t& tensor, std::int64_t offset) {
  return offset >= 0 && offset <= LastOffset(tensor);
}

}  // namespace attest
