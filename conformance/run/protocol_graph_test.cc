// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/protocol_graph.h"

#include <gtest/gtest.h>

#include <array>
#include <nlohmann/json.hpp>

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

TEST(ProtocolGraph, ViewsComeBack) {
  const SeenTensor buffer = {
      .dtype = DType::kInt32, .address = 0x7fff'1234'5678, .shape = {4, 9}, .strides = {9, 1}};
  SeenTensor view = buffer;
  view.shape = {2, 3};
  const SeenView seen = {
      .name = "block_table", .view = view, .buffer = buffer, .buffer_bytes = 144};
  const Result<SeenView> read = SeenViewFromJson(Json::parse(ToJson(seen).dump()), "persistent");
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(*read, seen);
}

TEST(ProtocolGraph, SaysWhatIsMissing) {
  EXPECT_EQ(SeenTensorFromJson(Json(), "view").status().message(), "view: not an object");
  const Json odd = {{"dtype", "int32"}, {"address", 0}, {"shape", {1, 2}}, {"strides", {1}}};
  EXPECT_EQ(SeenTensorFromJson(odd, "view").status().message(),
            "view.strides: not as many as the shape");
}

TEST(ProtocolGraph, CountsAddressesFromABase) {
  std::array<std::byte, 64> memory = {};
  std::array<std::int64_t, 1> shape = {3};
  std::array<std::int64_t, 1> strides = {2};
  attest_tensor_t tensor = {};
  tensor.data = memory.data() + 8;
  tensor.byte_offset = 4;
  tensor.ndim = 1;
  tensor.dtype = {ATTEST_INT, 32, 1};
  tensor.shape = shape.data();
  tensor.strides = strides.data();
  const Result<SeenTensor> seen = SeenTensorOf(tensor, memory.data());
  ASSERT_TRUE(seen.ok());
  EXPECT_EQ(seen->address, 12);
  EXPECT_EQ(seen->strides, (std::vector<std::int64_t>{2}));
  EXPECT_EQ(SeenTensorOf(tensor, memory.data() + 16)->address, -4);
  tensor.shape = nullptr;
  EXPECT_EQ(SeenTensorOf(tensor, nullptr).status().message(), "a tensor without shape or strides");
  tensor.ndim = 99;
  EXPECT_EQ(SeenTensorOf(tensor, nullptr).status().message(), "a tensor of 99 dimensions");
}

}  // namespace
}  // namespace attest
