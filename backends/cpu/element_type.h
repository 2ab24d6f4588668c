// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_BACKENDS_CPU_ELEMENT_TYPE_H_
#define ATTEST_BACKENDS_CPU_ELEMENT_TYPE_H_

#include <cstdint>
#include <optional>

#include "spec/abi/attest.h"

namespace attest::cpu {

enum class ElementType : std::uint8_t { kFloat32, kFloat16, kBFloat16 };

constexpr int BytesOf(ElementType type) { return type == ElementType::kFloat32 ? 4 : 2; }

constexpr bool SameDType(attest_dtype_t a, attest_dtype_t b) {
  return a.code == b.code && a.bits == b.bits && a.lanes == b.lanes;
}

inline constexpr attest_dtype_t kFloat32DType = {ATTEST_FLOAT, 32, 1};
inline constexpr attest_dtype_t kFloat16DType = {ATTEST_FLOAT, 16, 1};
inline constexpr attest_dtype_t kBFloat16DType = {ATTEST_BFLOAT, 16, 1};
inline constexpr attest_dtype_t kInt32DType = {ATTEST_INT, 32, 1};

// nullopt: a type that this backend does not compute with.
constexpr std::optional<ElementType> ElementTypeOf(attest_dtype_t dtype) {
  if (SameDType(dtype, kFloat32DType)) return ElementType::kFloat32;
  if (SameDType(dtype, kFloat16DType)) return ElementType::kFloat16;
  if (SameDType(dtype, kBFloat16DType)) return ElementType::kBFloat16;
  return std::nullopt;
}

}  // namespace attest::cpu

#endif  // ATTEST_BACKENDS_CPU_ELEMENT_TYPE_H_
