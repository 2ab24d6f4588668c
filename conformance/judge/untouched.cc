// SPDX-License-Identifier: Apache-2.0
#include "conformance/judge/untouched.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

namespace attest {
namespace {

// Calls visit(byte offset of a run of contiguous elements, bytes in it) for every innermost run of
// rows [0, rows) of `tensor`.
template <typename Visit>
void ForEachRun(const PlacedTensor& tensor, std::int64_t rows, const Visit& visit) {
  const std::size_t element = SizeOf(tensor.dtype);
  std::vector<std::int64_t> shape = tensor.shape;
  shape[0] = std::min(shape[0], rows);
  std::vector<std::int64_t> index(shape.size(), 0);
  if (std::any_of(shape.begin(), shape.end(), [](std::int64_t extent) { return extent == 0; }))
    return;
  const bool dense_tail = tensor.strides.back() == 1 && shape.size() > 1;
  const std::size_t loop_axes = dense_tail ? shape.size() - 1 : shape.size();
  while (true) {
    std::int64_t offset = 0;
    for (std::size_t axis = 0; axis < loop_axes; ++axis)
      offset += index[axis] * tensor.strides[axis];
    visit(tensor.offset + static_cast<std::uint64_t>(offset) * element,
          element * static_cast<std::size_t>(dense_tail ? shape.back() : 1));
    std::size_t axis = loop_axes;
    while (axis-- > 0) {
      if (++index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
    if (axis == static_cast<std::size_t>(-1)) return;
  }
}

// Index of the element of `tensor` that covers byte `position`; nullopt if none does.
std::optional<std::vector<std::int64_t>> ElementAt(const PlacedTensor& tensor,
                                                   std::uint64_t position) {
  const auto element = static_cast<std::int64_t>(SizeOf(tensor.dtype));
  if (position < tensor.offset) return std::nullopt;
  std::int64_t rest = static_cast<std::int64_t>(position - tensor.offset) / element;
  std::vector<std::size_t> axes(tensor.shape.size());
  for (std::size_t axis = 0; axis < axes.size(); ++axis) axes[axis] = axis;
  std::sort(axes.begin(), axes.end(), [&tensor](std::size_t a, std::size_t b) {
    return tensor.strides[a] > tensor.strides[b];
  });
  std::vector<std::int64_t> index(tensor.shape.size(), 0);
  for (const std::size_t axis : axes) {
    if (tensor.strides[axis] <= 0) continue;
    index[axis] = std::min(rest / tensor.strides[axis], tensor.shape[axis] - 1);
    rest -= index[axis] * tensor.strides[axis];
  }
  if (rest != 0) return std::nullopt;
  return index;
}

// Bytes from the first element to the end of the last.
std::uint64_t Extent(const PlacedTensor& tensor) {
  std::int64_t last = 0;
  for (std::size_t axis = 0; axis < tensor.shape.size(); ++axis) {
    if (tensor.shape[axis] == 0) return 0;
    last += (tensor.shape[axis] - 1) * tensor.strides[axis];
  }
  return (static_cast<std::uint64_t>(last) + 1) * SizeOf(tensor.dtype);
}

std::string DescribeGap(const CallImage& image, std::uint64_t position) {
  const PlacedTensor* nearest =
      nullptr;  // the tensor that ends last before the position, or surrounds it
  for (const PlacedTensor& tensor : image.tensors) {
    if (tensor.offset > position) continue;
    if (nearest == nullptr || tensor.offset > nearest->offset) nearest = &tensor;
  }
  if (nearest == nullptr) return "wrote before the first tensor";
  const std::uint64_t end = nearest->offset + Extent(*nearest);
  if (position < end) return fmt::format("wrote into a gap between elements of {}", nearest->name);
  return fmt::format("wrote past the end of {}: byte {} after it", nearest->name, position - end);
}

}  // namespace

std::string PlaceOf(const CallImage& image, std::uint64_t position) {
  for (const PlacedTensor& tensor : image.tensors) {
    if (const auto index = ElementAt(tensor, position)) {
      return fmt::format("{}[{}]", tensor.name, fmt::join(*index, ", "));
    }
  }
  return DescribeGap(image, position);
}

std::string FirstForbiddenChange(const CallImage& before, const CallImage& after,
                                 std::int64_t written_rows) {
  std::vector<std::byte> masked = after.bytes;
  if (masked.size() != before.bytes.size()) return "the image came back with another size";
  for (const PlacedTensor& tensor : before.tensors) {
    if (!tensor.output) continue;
    ForEachRun(tensor, written_rows, [&](std::uint64_t offset, std::size_t bytes) {
      std::memcpy(masked.data() + offset, before.bytes.data() + offset, bytes);
    });
  }
  const auto [left, right] = std::mismatch(masked.begin(), masked.end(), before.bytes.begin());
  if (left == masked.end()) return {};
  const auto position = static_cast<std::uint64_t>(left - masked.begin());
  for (const PlacedTensor& tensor : before.tensors) {
    const auto index = ElementAt(tensor, position);
    if (!index) continue;
    const std::string where = fmt::format("{}[{}]", tensor.name, fmt::join(*index, ", "));
    if (!tensor.output) return "changed input " + where;
    return written_rows == 0 ? "wrote " + where + " although it refused"
                             : "wrote " + where + ", a padding row";
  }
  return DescribeGap(before, position);
}

}  // namespace attest
