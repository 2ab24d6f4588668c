// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/protocol_tensors.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "conformance/run/protocol.h"
#include "spec/vocabulary/json_text.h"

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
  const auto arrived = TensorsFromJson(Json::parse(LineText(list)));
  ASSERT_TRUE(arrived.ok()) << arrived.status().message();
  EXPECT_EQ(*arrived, tensors);
}

TEST(ProtocolTensors, TheTableHoldsEveryTensorOfAForwardCallOnce) {
  static const attest_forward_args_t kArgs = {};
  const auto* next = reinterpret_cast<const char*>(&kArgs.query);
  for (const auto& tensor : ForwardTensors()) {
    EXPECT_EQ(reinterpret_cast<const char*>(&(kArgs.*tensor.member)), next) << tensor.name;
    next += sizeof(attest_tensor_t);
  }
  EXPECT_EQ(next, reinterpret_cast<const char*>(&kArgs.query_start_loc_cpu));
}

template <typename Args>
void ExpectEachOnce(const std::vector<ArgsTensor<Args>>& tensors,
                    const attest_tensor_t Args::*first, std::size_t end) {
  static const Args kArgs = {};
  const auto* next = reinterpret_cast<const char*>(&(kArgs.*first));
  for (const ArgsTensor<Args>& tensor : tensors) {
    EXPECT_EQ(reinterpret_cast<const char*>(&(kArgs.*tensor.member)), next) << tensor.name;
    next += sizeof(attest_tensor_t);
  }
  EXPECT_EQ(next, reinterpret_cast<const char*>(&kArgs) + end);
}

TEST(ProtocolTensors, SoDoTheTablesOfTheOtherCalls) {
  ExpectEachOnce(WriteKvTensors(), &attest_write_kv_args_t::key, sizeof(attest_write_kv_args_t));
  ExpectEachOnce(MergeTensors(), &attest_merge_args_t::out, sizeof(attest_merge_args_t));
}

TEST(ProtocolTensors, PartsAreNumbersWithoutOrnament) {
  EXPECT_EQ(PartOf("part_out_0", "part_out"), 0);
  EXPECT_EQ(PartOf("part_lse_12", "part_lse"), 12);
  for (const char* name : {"part_out", "part_out_", "part_out_01", "part_out_-1", "part_out_1x",
                           "part_out_1024", "part_lse_1", "xpart_out_1"}) {
    EXPECT_EQ(PartOf(name, "part_out"), std::nullopt) << name;
  }
}

WireTensor Named(const std::string& name) {
  WireTensor tensor = Query();
  tensor.name = name;
  return tensor;
}

TEST(ProtocolTensors, EachCallHasItsOwnMembers) {
  const auto message = [](CallKind kind, const std::vector<WireTensor>& tensors) {
    return CheckTensors(kind, tensors, 1U << 20).message();
  };
  EXPECT_EQ(message(CallKind::kWriteKv, {Query()}),
            "tensor query: attest_write_kv_args_t has no such member");
  EXPECT_EQ(message(CallKind::kWriteKv, {Named("slot_mapping")}), "");
  EXPECT_EQ(message(CallKind::kForward, {Named("part_out_0")}),
            "tensor part_out_0: attest_forward_args_t has no such member");
  EXPECT_EQ(message(CallKind::kMerge, {Named("part_out_0"), Named("part_lse_0")}), "");
  EXPECT_EQ(message(CallKind::kMerge, {Named("out")}), "tensor part_out_0: missing");
  EXPECT_EQ(message(CallKind::kMerge, {Named("part_out_0"), Named("part_lse_1")}),
            "tensor part_lse_0: missing");
  EXPECT_EQ(message(CallKind::kMerge, {Named("part_out_0"), Named("part_lse_0"),
                                       Named("part_out_2"), Named("part_lse_2")}),
            "tensor part_out_1: missing");
}

TEST(ProtocolTensors, MayReachToTheLastByteOfTheImageAndNoFurther) {
  EXPECT_TRUE(CheckTensors(CallKind::kForward, {Query()}, kQueryEnd).ok());
  EXPECT_EQ(CheckTensors(CallKind::kForward, {Query()}, kQueryEnd - 1).message(),
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
    EXPECT_FALSE(CheckTensors(CallKind::kForward, {tensor}, 1U << 20).ok());
  }
  WireTensor far = Query();
  far.offset = UINT64_MAX - 8;
  EXPECT_FALSE(CheckTensors(CallKind::kForward, {far}, 1U << 20).ok());
}

TEST(ProtocolTensors, WhatIsWrongIsNamed) {
  const auto message = [](const WireTensor& tensor) {
    return CheckTensors(CallKind::kForward, {tensor}, 1U << 20).message();
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
  EXPECT_EQ(CheckTensors(CallKind::kForward, {Query(), Query()}, 1U << 20).message(),
            "tensor query: named twice");
  EXPECT_EQ(TensorsFromJson(Json::parse(R"([{"name":"out"}])")).status().message(),
            "tensors[0]: \"shape\" is missing");
  EXPECT_EQ(TensorsFromJson(Json::object()).status().message(), "tensors: not a list");
}

}  // namespace
}  // namespace attest
