// SPDX-License-Identifier: Apache-2.0
//
// NPY, NumPy's file format for one array: versions 1, 2 and 3, little-endian, C or Fortran order.
// Source: numpy.lib.format.
#ifndef ATTEST_CONFORMANCE_EVAL_NPY_H_
#define ATTEST_CONFORMANCE_EVAL_NPY_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "spec/vocabulary/dtype.h"
#include "spec/vocabulary/status.h"

namespace attest {

// NumPy's element type: kind 'f' float, 'i' int, 'u' unsigned, 'b' bool, 'V' raw bytes (as which
// NumPy stores the bfloat16 and float8 of ml_dtypes, but for float8_e5m2, which is 'f' of 1 byte).
struct NpyType {
  char kind = 'f';
  int size = 4;  // bytes
  bool operator==(const NpyType&) const = default;
};
std::string Name(NpyType type);  // "float32", "uint16", "bool", "2 raw bytes"

struct NpyArray {
  std::string path;  // for messages
  NpyType type;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;  // in elements
  std::vector<std::byte> bytes;

  bool present() const { return !path.empty(); }
  std::int64_t elements() const;
};
std::string ShapeText(const std::vector<std::int64_t>& shape);  // "[3, 4]"

// Bad input, as one line that begins with the path: the file cannot be read, is no NPY, is
// big-endian, has a structured type, or is shorter or longer than its shape says.
Result<NpyArray> ReadNpy(const std::string& path);
Result<NpyArray> ParseNpy(std::string_view file, const std::string& path);

// A whole NPY file, version 1.0, C order. `data` is elements * type.size bytes.
std::string NpyFile(NpyType type, const std::vector<std::int64_t>& shape, const void* data);

// As what a dtype stands in a file: bfloat16 as uint16, float8 as uint8, the others as themselves.
NpyType StoredAs(DType dtype);
// May a file of `type` hold `dtype`? Raw bytes of the right size also stand for formats that NumPy
// does not know, and a float of one byte is float8_e5m2.
bool CanHold(NpyType type, DType dtype);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_EVAL_NPY_H_
