// SPDX-License-Identifier: Apache-2.0
#include "reference/persistent_buffer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace attest {
namespace {

using Extents = std::vector<std::int64_t>;

// int32 memory and a view of it.
struct Numbers {
  std::vector<std::int32_t> memory;
  TensorView view;

  Numbers(std::size_t elements, std::int32_t first, const Extents& shape, const Extents& strides)
      : memory(elements) {
    for (std::size_t i = 0; i < elements; ++i) memory[i] = first + static_cast<std::int32_t>(i);
    view = {.data = reinterpret_cast<const std::byte*>(memory.data()),
            .dtype = DType::kInt32,
            .shape = shape,
            .strides = strides};
  }
  std::byte* image() { return reinterpret_cast<std::byte*>(memory.data()); }
};

// 4 rows of 5, two elements of gap behind each row: 28 elements, the numbers 1000 to 1027.
Numbers TableBuffer() { return {28, 1000, {4, 5}, {7, 1}}; }

TEST(PersistentBuffer, ViewKeepsPointerAndStridesOfTheBufferAtEveryWidth) {
  for (std::int64_t rows = 0; rows <= 4; ++rows) {
    for (std::int64_t width = 0; width <= 5; ++width) {
      Numbers buffer = TableBuffer();
      // The source is dense: its pitch is its width.
      const Numbers source(20, 1, {rows, width}, {width, 1});
      const Result<TensorView> view = CopyToPersistent(buffer.view, source.view, buffer.image());
      ASSERT_TRUE(view.ok()) << view.status().message();
      EXPECT_EQ(view->data, buffer.view.data);
      EXPECT_EQ(view->strides, (Extents{7, 1}));
      EXPECT_EQ(view->shape, (Extents{rows, width}));
      EXPECT_EQ(view->dtype, DType::kInt32);
      for (std::int64_t i = 0; i < 28; ++i) {
        const std::int64_t row = i / 7;
        const std::int64_t column = i % 7;
        const bool copied = row < rows && column < width;
        EXPECT_EQ(buffer.memory[static_cast<std::size_t>(i)],
                  copied ? 1 + row * width + column : 1000 + i)
            << rows << " x " << width << " element " << i;
      }
    }
  }
}

TEST(PersistentBuffer, FollowsTheStridesOfTheSource) {
  Numbers buffer = TableBuffer();
  const Numbers source(20, 1, {2, 3}, {1, 6});  // transposed
  ASSERT_TRUE(CopyToPersistent(buffer.view, source.view, buffer.image()).ok());
  EXPECT_EQ(std::vector<std::int32_t>(buffer.memory.begin(), buffer.memory.begin() + 10),
            (std::vector<std::int32_t>{1, 7, 13, 1003, 1004, 1005, 1006, 2, 8, 14}));
}

TEST(PersistentBuffer, CopiesOneDimensionAndWiderElements) {
  std::vector<std::int64_t> memory = {-1, -2, -3, -4};
  const std::vector<std::int64_t> step = {7, 8};
  const TensorView buffer = {
      reinterpret_cast<const std::byte*>(memory.data()), DType::kInt64, {4}, {1}};
  const TensorView source = {
      reinterpret_cast<const std::byte*>(step.data()), DType::kInt64, {2}, {1}};
  const Result<TensorView> view =
      CopyToPersistent(buffer, source, reinterpret_cast<std::byte*>(memory.data()));
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(view->shape, (Extents{2}));
  EXPECT_EQ(memory, (std::vector<std::int64_t>{7, 8, -3, -4}));
}

TEST(PersistentBuffer, WritesIntoTheImageAndNotIntoTheBuffer) {
  const Numbers buffer = TableBuffer();
  std::vector<std::int32_t> image = buffer.memory;
  const Numbers source(20, 1, {1, 2}, {2, 1});
  ASSERT_TRUE(
      CopyToPersistent(buffer.view, source.view, reinterpret_cast<std::byte*>(image.data())).ok());
  EXPECT_EQ(buffer.memory[0], 1000);
  EXPECT_EQ(image[0], 1);
}

TEST(PersistentBuffer, SourceMayLieInTheBuffer) {
  Numbers buffer(6, 0, {6}, {1});
  TensorView source = buffer.view;
  source.data += sizeof(std::int32_t);  // from element 1 on
  source.shape = {5};
  ASSERT_TRUE(CopyToPersistent(buffer.view, source, buffer.image()).ok());
  EXPECT_EQ(buffer.memory, (std::vector<std::int32_t>{1, 2, 3, 4, 5, 5}));
}

struct Wrong {
  const char* what;
  Extents shape;
  Extents strides;
  DType dtype;
  const char* message;
};

TEST(PersistentBuffer, RefusesWhatASliceAndACopyWouldTakeInSilence) {
  const Wrong cases[] = {
      {"more rows", {5, 5}, {5, 1}, DType::kInt32, "source.shape[0]: 5, the buffer has 4"},
      {"more columns", {1, 6}, {6, 1}, DType::kInt32, "source.shape[1]: 6, the buffer has 5"},
      {"lower rank", {5}, {1}, DType::kInt32, "source.ndim: 1, the buffer's is 2"},
      {"higher rank", {1, 1, 1}, {1, 1, 1}, DType::kInt32, "source.ndim: 3, the buffer's is 2"},
      {"a number", {}, {}, DType::kInt32, "source.ndim: 0, the buffer's is 2"},
      {"wider elements",
       {1, 1},
       {1, 1},
       DType::kInt64,
       "source.dtype: int64, the buffer's is int32"},
      {"same size, other type",
       {1, 1},
       {1, 1},
       DType::kFloat32,
       "source.dtype: float32, the buffer's is int32"},
      {"no dtype", {1, 1}, {1, 1}, DType::kNone, "source: no dtype"},
  };
  for (const Wrong& wrong : cases) {
    Numbers buffer = TableBuffer();
    const std::vector<std::int32_t> before = buffer.memory;
    Numbers source(64, 1, wrong.shape, wrong.strides);
    source.view.dtype = wrong.dtype;
    const Result<TensorView> view = CopyToPersistent(buffer.view, source.view, buffer.image());
    ASSERT_FALSE(view.ok()) << wrong.what;
    EXPECT_EQ(view.status().message(), wrong.message) << wrong.what;
    EXPECT_EQ(buffer.memory, before) << wrong.what;
  }
}

TEST(PersistentBuffer, RefusesABufferThatStandsForFewerElements) {
  Numbers buffer(28, 1000, {4, 5}, {0, 1});
  const Numbers source(20, 1, {1, 2}, {2, 1});
  const Result<TensorView> view = CopyToPersistent(buffer.view, source.view, buffer.image());
  ASSERT_FALSE(view.ok());
  EXPECT_EQ(view.status().message(), "buffer.strides: two elements share an address");
}

TEST(PersistentBuffer, RefusesAbsentTensors) {
  Numbers buffer = TableBuffer();
  TensorView source = {nullptr, DType::kInt32, {1, 1}, {1, 1}};
  EXPECT_EQ(CopyToPersistent(buffer.view, source, buffer.image()).status().message(),
            "source: absent");
  source.shape = {0, 3};  // nothing is there to be copied
  EXPECT_TRUE(CopyToPersistent(buffer.view, source, buffer.image()).ok());
}

}  // namespace
}  // namespace attest
