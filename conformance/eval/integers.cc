// SPDX-License-Identifier: Apache-2.0
#include "conformance/eval/integers.h"

#include <fmt/format.h>

#include <cstring>

namespace attest {
namespace {

template <typename Integer>
std::int64_t Load(const std::byte* address) {
  Integer value = 0;
  std::memcpy(&value, address, sizeof(value));
  return static_cast<std::int64_t>(value);
}

std::int64_t LoadInteger(NpyType type, const std::byte* address) {
  const bool with_sign = type.kind == 'i';
  switch (type.size) {
    case 1:
      return with_sign ? Load<std::int8_t>(address) : Load<std::uint8_t>(address);
    case 2:
      return with_sign ? Load<std::int16_t>(address) : Load<std::uint16_t>(address);
    case 4:
      return with_sign ? Load<std::int32_t>(address) : Load<std::uint32_t>(address);
    default:
      return with_sign ? Load<std::int64_t>(address) : Load<std::uint64_t>(address);
  }
}

}  // namespace

std::int64_t OffsetOf(const std::vector<std::int64_t>& shape,
                      const std::vector<std::int64_t>& strides, std::int64_t n) {
  std::int64_t offset = 0;
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    offset += n % shape[axis] * strides[axis];
    n /= shape[axis];
  }
  return offset;
}

Result<std::vector<std::int64_t>> ReadIntegers(const NpyArray& array, std::size_t rank) {
  if (array.type.kind != 'i' && array.type.kind != 'u' && array.type.kind != 'b') {
    return BadInput(fmt::format("{}: {}, expected whole numbers", array.path, Name(array.type)));
  }
  if (array.shape.size() != rank) {
    return BadInput(fmt::format("{}: shape {}, expected {} {}", array.path, ShapeText(array.shape),
                                rank, rank == 1 ? "axis" : "axes"));
  }
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(array.elements()));
  for (std::size_t n = 0; n < numbers.size(); ++n) {
    const std::int64_t at = OffsetOf(array.shape, array.strides, static_cast<std::int64_t>(n));
    numbers[n] = LoadInteger(array.type, array.bytes.data() + at * array.type.size);
  }
  return numbers;
}

}  // namespace attest
