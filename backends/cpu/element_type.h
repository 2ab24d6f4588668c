// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_BACKENDS_CPU_ELEMENT_TYPE_H_
#define ATTEST_BACKENDS_CPU_ELEMENT_TYPE_H_

#include <cstdint>
#include <optional>

#include "spec/abi/attest.h"

namespace attest::cpu {

// Types of queries, outputs and caches; from kFloat8E4M3FN on, of caches alone.
enum class ElementType : std::uint8_t {
  kFloat32,
  kFloat16,
  kBFloat16,
  kFloat8E4M3FN,
  kFloat8E4M3FNUZ,
  kFloat8E5M2,
  kInt8,
};

constexpr bool IsByte(ElementType type) { return type >= ElementType::kFloat8E4M3FN; }
constexpr int BytesOf(ElementType type) {
  if (IsByte(type)) return 1;
  return type == ElementType::kFloat32 ? 4 : 2;
}

constexpr bool SameDType(attest_dtype_t a, attest_dtype_t b) {
  return a.code == b.code && a.bits == b.bits && a.lanes == b.lanes;
}

inline constexpr attest_dtype_t kFloat32DType = {ATTEST_FLOAT, 32, 1};
inline constexpr attest_dtype_t kFloat16DType = {ATTEST_FLOAT, 16, 1};
inline constexpr attest_dtype_t kBFloat16DType = {ATTEST_BFLOAT, 16, 1};
inline constexpr attest_dtype_t kFloat8E4M3FNDType = {ATTEST_FLOAT8_E4M3FN, 8, 1};
inline constexpr attest_dtype_t kFloat8E4M3FNUZDType = {ATTEST_FLOAT8_E4M3FNUZ, 8, 1};
inline constexpr attest_dtype_t kFloat8E5M2DType = {ATTEST_FLOAT8_E5M2, 8, 1};
inline constexpr attest_dtype_t kInt8DType = {ATTEST_INT, 8, 1};
inline constexpr attest_dtype_t kInt32DType = {ATTEST_INT, 32, 1};
inline constexpr attest_dtype_t kInt64DType = {ATTEST_INT, 64, 1};
inline constexpr attest_dtype_t kBoolDType = {ATTEST_BOOL, 8, 1};

// nullopt: a type that this backend does not compute with.
constexpr std::optional<ElementType> ElementTypeOf(attest_dtype_t dtype) {
  if (SameDType(dtype, kFloat32DType)) return ElementType::kFloat32;
  if (SameDType(dtype, kFloat16DType)) return ElementType::kFloat16;
  if (SameDType(dtype, kBFloat16DType)) return ElementType::kBFloat16;
  if (SameDType(dtype, kFloat8E4M3FNDType)) return ElementType::kFloat8E4M3FN;
  if (SameDType(dtype, kFloat8E4M3FNUZDType)) return ElementType::kFloat8E4M3FNUZ;
  if (SameDType(dtype, kFloat8E5M2DType)) return ElementType::kFloat8E5M2;
  if (SameDType(dtype, kInt8DType)) return ElementType::kInt8;
  return std::nullopt;
}

// A type that queries and outputs may have.
constexpr bool IsTokenType(attest_dtype_t dtype) {
  const std::optional<ElementType> type = ElementTypeOf(dtype);
  return type.has_value() && !IsByte(*type);
}

}  // namespace attest::cpu

#endif  // ATTEST_BACKENDS_CPU_ELEMENT_TYPE_H_
