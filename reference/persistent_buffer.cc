// SPDX-License-Identifier: Apache-2.0
#include "reference/persistent_buffer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

namespace attest {
namespace {

using Extents = std::vector<std::int64_t>;

bool IsEmpty(const Extents& shape) {
  return std::any_of(shape.begin(), shape.end(), [](std::int64_t extent) { return extent == 0; });
}

// Do two elements share an address? With the axes by rising stride, each must step over all that
// the axes before it reach.
bool Overlaps(const TensorView& tensor) {
  std::vector<std::size_t> axes(tensor.shape.size());
  std::iota(axes.begin(), axes.end(), std::size_t{0});
  std::sort(axes.begin(), axes.end(), [&tensor](std::size_t a, std::size_t b) {
    return tensor.strides[a] < tensor.strides[b];
  });
  std::int64_t reach = 0;
  for (const std::size_t axis : axes) {
    if (tensor.shape[axis] <= 1) continue;
    if (tensor.strides[axis] <= reach) return true;
    reach += (tensor.shape[axis] - 1) * tensor.strides[axis];
  }
  return false;
}

Status CheckHeader(const char* name, const TensorView& tensor) {
  if (SizeOf(tensor.dtype) == 0) return BadInput(fmt::format("{}: no dtype", name));
  if (tensor.shape.size() != tensor.strides.size()) {
    return BadInput(fmt::format("{}: shape and strides differ in length", name));
  }
  const auto negative = [](std::int64_t extent) { return extent < 0; };
  if (std::any_of(tensor.shape.begin(), tensor.shape.end(), negative)) {
    return BadInput(fmt::format("{}.shape: [{}]", name, fmt::join(tensor.shape, ", ")));
  }
  if (!tensor.present() && !IsEmpty(tensor.shape)) return BadInput(fmt::format("{}: absent", name));
  return {};
}

Status CheckPair(const TensorView& buffer, const TensorView& source) {
  if (Status status = CheckHeader("buffer", buffer); !status.ok()) return status;
  if (Status status = CheckHeader("source", source); !status.ok()) return status;
  if (source.dtype != buffer.dtype) {
    return BadInput(fmt::format("source.dtype: {}, the buffer's is {}", Name(source.dtype),
                                Name(buffer.dtype)));
  }
  if (source.shape.size() != buffer.shape.size()) {
    return BadInput(fmt::format("source.ndim: {}, the buffer's is {}", source.shape.size(),
                                buffer.shape.size()));
  }
  for (std::size_t axis = 0; axis < source.shape.size(); ++axis) {
    if (source.shape[axis] <= buffer.shape[axis]) continue;
    return BadInput(fmt::format("source.shape[{}]: {}, the buffer has {}", axis, source.shape[axis],
                                buffer.shape[axis]));
  }
  if (Overlaps(buffer)) return BadInput("buffer.strides: two elements share an address");
  return {};
}

// Calls visit(index) for each index of `shape`, the last axis fastest.
template <typename Visit>
void ForEachIndex(const Extents& shape, const Visit& visit) {
  if (IsEmpty(shape)) return;
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

std::ptrdiff_t ByteOffset(const TensorView& tensor, const Extents& index) {
  return std::inner_product(index.begin(), index.end(), tensor.strides.begin(), std::int64_t{0}) *
         static_cast<std::int64_t>(SizeOf(tensor.dtype));
}

}  // namespace

Result<TensorView> CopyToPersistent(const TensorView& buffer, const TensorView& source,
                                    std::byte* image) {
  if (Status status = CheckPair(buffer, source); !status.ok()) return status;
  const std::size_t size = SizeOf(source.dtype);
  std::vector<std::byte> numbers;
  ForEachIndex(source.shape, [&](const Extents& index) {
    const std::byte* from = source.data + ByteOffset(source, index);
    numbers.insert(numbers.end(), from, from + size);
  });
  const std::byte* next = numbers.data();
  ForEachIndex(source.shape, [&](const Extents& index) {
    std::memcpy(image + ByteOffset(buffer, index), next, size);
    next += size;
  });
  return TensorView{
      .data = buffer.data, .dtype = buffer.dtype, .shape = source.shape, .strides = buffer.strides};
}

}  // namespace attest
