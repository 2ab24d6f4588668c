// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/persistent.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>

namespace attest::cpu {
namespace {

constexpr std::int32_t kMostAxes = 8;

bool SameType(const attest_dtype_t& a, const attest_dtype_t& b) {
  return a.code == b.code && a.bits == b.bits && a.lanes == b.lanes;
}

Answer CheckCopy(const attest_tensor_t& buffer, const attest_tensor_t& source) {
  const auto number = [](std::int64_t value) { return std::to_string(value); };
  if (buffer.ndim < 0 || buffer.ndim > kMostAxes) {
    return Invalid("buffer.ndim", number(buffer.ndim), "not 0 to 8");
  }
  if (buffer.dtype.bits == 0 || buffer.dtype.bits % 8 != 0) {
    return Invalid("buffer.dtype", number(buffer.dtype.bits), "bits are no whole bytes");
  }
  if (!SameType(buffer.dtype, source.dtype)) {
    return Invalid("source.dtype", number(source.dtype.code) + "/" + number(source.dtype.bits),
                   "not the buffer's");
  }
  if (source.ndim != buffer.ndim) {
    return Invalid("source.ndim", number(source.ndim), "not the buffer's " + number(buffer.ndim));
  }
  for (std::int32_t axis = 0; axis < source.ndim; ++axis) {
    if (source.shape[axis] < 0 || source.shape[axis] > buffer.shape[axis]) {
      return Invalid("source.shape[" + number(axis) + "]", number(source.shape[axis]),
                     "the buffer has " + number(buffer.shape[axis]));
    }
  }
  return {};
}

std::byte* At(const attest_tensor_t& tensor, const std::array<std::int64_t, kMostAxes>& index) {
  std::int64_t offset = 0;
  for (std::int32_t axis = 0; axis < tensor.ndim; ++axis) {
    offset += index[static_cast<std::size_t>(axis)] * tensor.strides[axis];
  }
  return static_cast<std::byte*>(tensor.data) + tensor.byte_offset +
         offset * (tensor.dtype.bits / 8);
}

}  // namespace

Answer CopyToPersistent(const attest_tensor_t& buffer, const attest_tensor_t& source,
                        attest_tensor_t& view) {
  if (Answer answer = CheckCopy(buffer, source); !answer.ok()) return answer;
  const std::size_t size = buffer.dtype.bits / 8;
  std::array<std::int64_t, kMostAxes> index = {};
  bool more = std::find(source.shape, source.shape + source.ndim, 0) == source.shape + source.ndim;
  while (more) {
    std::memmove(At(buffer, index), At(source, index), size);
    std::int32_t axis = source.ndim;
    while (axis-- > 0) {
      std::int64_t& i = index[static_cast<std::size_t>(axis)];
      if (++i < source.shape[axis]) break;
      i = 0;
    }
    more = axis >= 0;
  }
  view.data = buffer.data;
  view.byte_offset = buffer.byte_offset;
  view.device = buffer.device;
  view.dtype = buffer.dtype;
  view.ndim = buffer.ndim;
  std::copy_n(source.shape, source.ndim, view.shape);
  std::copy_n(buffer.strides, buffer.ndim, view.strides);
  return {};
}

PersistentBuffer::PersistentBuffer(const char* name, attest_dtype_t dtype,
                                   std::vector<std::int64_t> shape)
    : name_(name),
      shape_(std::move(shape)),
      strides_(shape_.size(), 1),
      view_shape_(shape_),
      view_strides_(shape_.size(), 1) {
  std::int64_t count = 1;
  for (std::size_t axis = shape_.size(); axis-- > 0;) {
    strides_[axis] = view_strides_[axis] = std::max<std::int64_t>(count, 1);
    count *= shape_[axis];
  }
  bytes_.resize(static_cast<std::size_t>(std::max<std::int64_t>(count, 1) * dtype.bits / 8));
  buffer_.data = bytes_.data();
  buffer_.device = {ATTEST_DEVICE_CPU, 0};
  buffer_.ndim = static_cast<std::int32_t>(shape_.size());
  buffer_.dtype = dtype;
  view_ = buffer_;
  buffer_.shape = shape_.data();
  buffer_.strides = strides_.data();
  view_.shape = view_shape_.data();
  view_.strides = view_strides_.data();
}

Answer PersistentBuffer::Take(const attest_tensor_t& source) {
  return CopyToPersistent(buffer_, source, view_);
}

attest_persistent_view_t PersistentBuffer::Describe() const {
  return {.name = name_, .view = view_, .buffer = buffer_, .buffer_bytes = bytes_.size()};
}

}  // namespace attest::cpu
