// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <vector>

#include "conformance/mutants/elements.h"
#include "conformance/mutants/graph.h"

namespace attest {
namespace {

using Extents = std::vector<std::int64_t>;

bool SameType(const attest_dtype_t& a, const attest_dtype_t& b) {
  return a.code == b.code && a.bits == b.bits && a.lanes == b.lanes;
}

// Calls visit(index) for each index of `shape`.
template <typename Visit>
void ForEachIndex(const Extents& shape, const Visit& visit) {
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return;
  Extents index(shape.size(), 0);
  for (;;) {
    visit(index);
    std::size_t axis = shape.size();
    while (axis-- > 0) {
      if (++index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
    if (axis == static_cast<std::size_t>(-1)) return;
  }
}

std::int64_t Flat(const Extents& index, const std::int64_t* strides) {
  std::int64_t offset = 0;
  for (std::size_t axis = 0; axis < index.size(); ++axis) offset += index[axis] * strides[axis];
  return offset;
}

std::byte* At(const attest_tensor_t& tensor, std::int64_t offset) {
  return static_cast<std::byte*>(tensor.data) + tensor.byte_offset +
         offset * (tensor.dtype.bits / 8);
}

// Integers of both widths, by value.
void CopyElement(const std::byte* from, attest_dtype_t from_type, std::byte* to,
                 attest_dtype_t to_type) {
  if (SameType(from_type, to_type)) {
    std::memcpy(to, from, to_type.bits / 8);
    return;
  }
  std::int64_t number = 0;
  std::memcpy(&number, from, from_type.bits / 8);  // little endian, small numbers
  std::memcpy(to, &number, to_type.bits / 8);
}

std::string WhyNot(CopyFault fault, const attest_tensor_t& buffer, const attest_tensor_t& source) {
  if (!SameType(buffer.dtype, source.dtype) && fault != CopyFault::kConverts) {
    return "source.dtype: not the buffer's";
  }
  const bool lower = source.ndim < buffer.ndim && source.ndim > 0;
  if (buffer.ndim != source.ndim && !(lower && fault == CopyFault::kBroadcasts)) {
    return "source.ndim: not the buffer's";
  }
  const std::int32_t missing = buffer.ndim - source.ndim;
  for (std::int32_t axis = 0; axis < source.ndim; ++axis) {
    const bool larger = source.shape[axis] > buffer.shape[axis + missing];
    if (larger && fault != CopyFault::kTruncates) return "source.shape: larger than the buffer's";
  }
  return {};
}

}  // namespace

std::string MutantCopyToPersistent(CopyFault fault, const attest_tensor_t& buffer,
                                   const attest_tensor_t& source, attest_tensor_t& view) {
  if (std::string why = WhyNot(fault, buffer, source); !why.empty()) return why;
  const std::int32_t missing = buffer.ndim - source.ndim;
  Extents shape(source.shape, source.shape + source.ndim);
  for (std::int32_t axis = 0; axis < source.ndim; ++axis) {
    const auto at = static_cast<std::size_t>(axis);
    shape[at] = std::min(shape[at], buffer.shape[axis + missing]);
  }
  const std::int64_t* strides =
      fault == CopyFault::kStridesOfSource ? source.strides : buffer.strides;
  Extents whole(buffer.shape, buffer.shape + buffer.ndim);
  if (fault == CopyFault::kTailCleared) {
    ForEachIndex(whole, [&](const Extents& index) {
      std::memset(At(buffer, Flat(index, buffer.strides)), 0, buffer.dtype.bits / 8);
    });
  }
  if (missing > 0) {
    std::copy(shape.begin(), shape.end(), whole.begin() + missing);
    ForEachIndex(whole, [&](const Extents& index) {
      const Extents tail(index.begin() + missing, index.end());
      CopyElement(At(source, Flat(tail, source.strides)), source.dtype,
                  At(buffer, Flat(index, strides)), buffer.dtype);
    });
  } else {
    ForEachIndex(shape, [&](const Extents& index) {
      CopyElement(At(source, Flat(index, source.strides)), source.dtype,
                  At(buffer, Flat(index, strides)), buffer.dtype);
    });
  }
  const attest_tensor_t& of = fault == CopyFault::kViewOfSource ? source : buffer;
  view.data = of.data;
  view.byte_offset = of.byte_offset;
  view.device = of.device;
  view.dtype = of.dtype;
  view.ndim = source.ndim;
  for (std::int32_t axis = 0; axis < source.ndim; ++axis) {
    const auto at = static_cast<std::size_t>(axis);
    view.shape[axis] = fault == CopyFault::kWholeBuffer ? buffer.shape[axis] : shape[at];
    view.strides[axis] = fault == CopyFault::kViewOfSource || fault == CopyFault::kStridesOfSource
                             ? source.strides[axis]
                             : buffer.strides[axis + missing];
  }
  return {};
}

}  // namespace attest
