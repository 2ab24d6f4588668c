// SPDX-License-Identifier: Apache-2.0
//
// The ABI's data types and the elements that kernels know.
#ifndef ATTEST_BACKENDS_GPU_DTYPE_H_
#define ATTEST_BACKENDS_GPU_DTYPE_H_

#include <cstdint>
#include <optional>

#include "backends/gpu/element.h"
#include "spec/abi/attest.h"

namespace attest::gpu {

inline constexpr attest_dtype_t kFloat32DType = {ATTEST_FLOAT, 32, 1};
inline constexpr attest_dtype_t kFloat16DType = {ATTEST_FLOAT, 16, 1};
inline constexpr attest_dtype_t kBFloat16DType = {ATTEST_BFLOAT, 16, 1};
inline constexpr attest_dtype_t kInt8DType = {ATTEST_INT, 8, 1};
inline constexpr attest_dtype_t kInt32DType = {ATTEST_INT, 32, 1};
inline constexpr attest_dtype_t kInt64DType = {ATTEST_INT, 64, 1};

struct NamedElement {
  Element element;
  attest_dtype_t dtype;
  const char* name;
};
// In the order of Element; the first three are types of tokens.
inline constexpr NamedElement kElements[] = {
    {Element::kFloat32, kFloat32DType, "float32"},
    {Element::kFloat16, kFloat16DType, "float16"},
    {Element::kBFloat16, kBFloat16DType, "bfloat16"},
    {Element::kFloat8E4M3FN, {ATTEST_FLOAT8_E4M3FN, 8, 1}, "float8_e4m3fn"},
    {Element::kFloat8E4M3FNUZ, {ATTEST_FLOAT8_E4M3FNUZ, 8, 1}, "float8_e4m3fnuz"},
    {Element::kFloat8E5M2, {ATTEST_FLOAT8_E5M2, 8, 1}, "float8_e5m2"},
    {Element::kInt8, kInt8DType, "int8"},
};
inline constexpr int kNumTokenElements = 3;

constexpr bool SameDType(attest_dtype_t a, attest_dtype_t b) {
  return a.code == b.code && a.bits == b.bits && a.lanes == b.lanes;
}

inline std::optional<Element> ElementOf(attest_dtype_t dtype) {
  for (const NamedElement& named : kElements) {
    if (SameDType(named.dtype, dtype)) return named.element;
  }
  return std::nullopt;
}

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_GPU_DTYPE_H_
