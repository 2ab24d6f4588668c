// SPDX-License-Identifier: Apache-2.0
#include "spec/vocabulary/dtype.h"

#include <array>

namespace attest {
namespace {

struct Row {
  DType dtype;
  std::string_view name;
  attest_dtype_t abi;
};

constexpr std::array kRows = {
    Row{DType::kNone, "none", {ATTEST_INT, 0, 0}},
    Row{DType::kFloat32, "float32", {ATTEST_FLOAT, 32, 1}},
    Row{DType::kFloat16, "float16", {ATTEST_FLOAT, 16, 1}},
    Row{DType::kBFloat16, "bfloat16", {ATTEST_BFLOAT, 16, 1}},
    Row{DType::kFloat8E4M3FN, "float8_e4m3fn", {ATTEST_FLOAT8_E4M3FN, 8, 1}},
    Row{DType::kFloat8E4M3FNUZ, "float8_e4m3fnuz", {ATTEST_FLOAT8_E4M3FNUZ, 8, 1}},
    Row{DType::kFloat8E5M2, "float8_e5m2", {ATTEST_FLOAT8_E5M2, 8, 1}},
    Row{DType::kInt8, "int8", {ATTEST_INT, 8, 1}},
    Row{DType::kBool, "bool", {ATTEST_BOOL, 8, 1}},
    Row{DType::kInt32, "int32", {ATTEST_INT, 32, 1}},
    Row{DType::kInt64, "int64", {ATTEST_INT, 64, 1}},
};

}  // namespace

std::string_view Name(DType dtype) { return kRows.at(static_cast<std::size_t>(dtype)).name; }

std::optional<DType> ParseDType(std::string_view name) {
  for (const Row& row : kRows) {
    if (row.name == name && row.dtype != DType::kNone) return row.dtype;
  }
  return std::nullopt;
}

std::size_t SizeOf(DType dtype) { return ToAbi(dtype).bits / 8; }

attest_dtype_t ToAbi(DType dtype) { return kRows.at(static_cast<std::size_t>(dtype)).abi; }

DType FromAbi(attest_dtype_t dtype) {
  for (const Row& row : kRows) {
    if (row.abi.code == dtype.code && row.abi.bits == dtype.bits && dtype.lanes == 1) {
      return row.dtype;
    }
  }
  return DType::kNone;
}

std::optional<FloatFormat> FormatOf(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return FloatFormat{0x1p-24, 23, -126};
    case DType::kFloat16:
      return FloatFormat{0x1p-11, 10, -14};
    case DType::kBFloat16:
      return FloatFormat{0x1p-8, 7, -126};
    case DType::kFloat8E4M3FN:
      return FloatFormat{0x1p-4, 3, -6};
    case DType::kFloat8E4M3FNUZ:
      return FloatFormat{0x1p-4, 3, -7};
    case DType::kFloat8E5M2:
      return FloatFormat{0x1p-3, 2, -14};
    default:
      return std::nullopt;
  }
}

}  // namespace attest
