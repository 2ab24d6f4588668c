// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/protocol_tensors.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "conformance/run/protocol.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

WireTensor Query() {
  return {.name = "query",
          .dtype = DType::kBFloat16,
          .shape = {2, 3, 4},
          .strides = {40, 12, 1},
          .offset = 64};
}
// Of Query: 64 + 2 * (40 + 24 + 3 + 1).
constexpr std::uint64_t kQueryEnd = 200;

TEST(ProtocolTensors, ArriveUnchanged) {
  const std::vector<WireTensor> tensors = {Query(),
                                           {.name = "sinks",
                                            .dtype = DType::kFloat32,
                                            .shape = {0},
                                            .strides = {1},
                                            .offset = 1U << 30}};
  Json list = Json::array();
  for (const WireTensor& tensor : tensors) list.push_back(ToJson(tensor));
  const auto arrived = TensorsFromJson(Json::parse(MessageText(list)));
  ASSERT_TRUE(arrived.ok()) << arrived.status().message();
  EXPECT_EQ(*arrived, tensors);
}

TEST(ProtocolTensors, TheTableHoldsEveryTensorOfAForwardCallOnce) {
  static const attest_forward_args_t kArgs = {};
  const auto* next = reinterpret_cast<const char*>(&kArgs.query);
  for (const ForwardTensor& tensor : ForwardTensors()) {
    EXPECT_EQ(reinterpret_cast<const char*>(&(kArgs.*tensor.member)), next) << tensor.name;
    next += sizeof(attest_tensor_t);
  }
  EXPECT_EQ(next, reinterpret_cast<const char*>(&kArgs.query_start_loc_cpu));
}

TEST(ProtocolTensors, MayReachToTheLastByteOfTheImageAndNoFurther) {
  EXPECT_TRUE(CheckTensors({Query()}, kQueryEnd).ok());
  EXPECT_EQ(CheckTensors({Query()}, kQueryEnd - 1).message(),
            "tensor query: reaches outside the image's 199 bytes");
}

TEST(ProtocolTensors, NoSizeIsLargeEnoughToWrapAround) {
  constexpr std::int64_t kHuge = INT64_MAX;
  for (const auto& [shape, strides] :
       std::vector<std::pair<std::vector<std::int64_t>, std::vector<std::int64_t>>>{
           {{kHuge}, {1}},
           {{2}, {kHuge}},
           {{kHuge, kHuge}, {kHuge, 1}},
           {{3, 3}, {kHuge, kHuge}}}) {
    WireTensor tensor = Query();
    tensor.shape = shape;
    tensor.strides = strides;
    EXPECT_FALSE(CheckTensors({tensor}, 1U << 20).ok());
  }
  WireTensor far = Query();
  far.offset = UINT64_MAX - 8;
  EXPECT_FALSE(CheckTensors({far}, 1U << 20).ok());
}

TEST(ProtocolTensors, WhatIsWrongIsNamed) {
  const auto message = [](const WireTensor& tensor) {
    return CheckTensors({tensor}, 1U << 20).message();
  };
  WireTensor tensor = Query();
  tensor.name = "qeury";
  EXPECT_EQ(message(tensor), "tensor qeury: attest_forward_args_t has no such member");
  tensor = Query();
  tensor.strides[1] = -1;
  EXPECT_EQ(message(tensor), "tensor query: negative size or stride");
  tensor = Query();
  tensor.strides.pop_back();
  EXPECT_EQ(message(tensor), "tensor query: no dtype, or shape and strides differ in length");
  EXPECT_EQ(CheckTensors({Query(), Query()}, 1U << 20).message(), "tensor query: named twice");
  EXPECT_EQ(TensorsFromJson(Json::parse(R"([{"name":"out"}])")).status().message(),
            "tensors[0]: \"shape\" is missing");
  EXPECT_EQ(TensorsFromJson(Json::object()).status().message(), "tensors: not a list");
}

}  // namespace
}  // namespace attest
