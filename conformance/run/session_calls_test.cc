// SPDX-License-Identifier: Apache-2.0
//
// write_kv and merge, from the parent's image to the backend's arguments and back.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "conformance/run/session.h"
#include "conformance/testing/zoo/zoo_call.h"

namespace attest {
namespace {

std::unique_ptr<Session> Open(const std::string& selector) {
  const BackendSpec spec = {.argument = "zoo:" + selector,
                            .library = ATTEST_ZOO_LIBRARY,
                            .selector = selector,
                            .options = {},
                            .worker = {}};
  Result<std::unique_ptr<Session>> session = Session::Open(spec, {.deadline_floor_s = 60.0});
  EXPECT_TRUE(session.ok()) << session.status().message();
  return session.ok() ? std::move(*session) : nullptr;
}

std::string OpeningError(const std::string& selector) {
  const BackendSpec spec = {.argument = "zoo",
                            .library = ATTEST_ZOO_LIBRARY,
                            .selector = selector,
                            .options = {},
                            .worker = {}};
  return Session::Open(spec, {.deadline_floor_s = 60.0}).status().message();
}

// Tensors one behind the other, 64 bytes apart.
class ImageMaker {
 public:
  template <typename T>
  void Add(const std::string& name, DType dtype, std::vector<std::int64_t> shape,
           const std::vector<T>& values) {
    const std::size_t offset = (image.bytes.size() + 127) / 64 * 64;
    image.bytes.resize(offset + values.size() * sizeof(T), std::byte{0xA5});
    std::memcpy(image.bytes.data() + offset, values.data(), values.size() * sizeof(T));
    std::vector<std::int64_t> strides = DenseStrides(shape);
    image.tensors.push_back({name, dtype, std::move(shape), std::move(strides), offset, false});
  }
  CallImage image;
};

template <typename T>
std::vector<T> Values(const CallImage& image, const std::string& name, std::size_t count) {
  std::vector<T> values(count);
  std::memcpy(values.data(), image.View(name).data, count * sizeof(T));
  return values;
}

attest_problem_t SmallProblem(int heads) {
  attest_problem_t problem = zoo::MakeCall(heads).problem;
  problem.num_kv_heads = 1;
  problem.head_dim_qk = problem.head_dim_v = 2;
  problem.block_size = 2;
  problem.num_actual_tokens = 2;
  return problem;
}

CallImage WriteImage() {
  ImageMaker maker;
  maker.Add<float>("key", DType::kFloat32, {2, 1, 2}, {1, 2, 3, 4});
  maker.Add<float>("value", DType::kFloat32, {2, 1, 2}, {5, 6, 7, 8});
  maker.Add<float>("key_cache", DType::kFloat32, {2, 2, 1, 2}, {0, 0, 0, 0, 0, 0, 0, 0});
  maker.Add<float>("value_cache", DType::kFloat32, {2, 2, 1, 2}, {9, 9, 9, 9, 9, 9, 9, 9});
  maker.Add<std::int64_t>("slot_mapping", DType::kInt64, {2}, {3, -1});
  return maker.image;
}

CallImage MergeImage() {
  const float empty = -std::numeric_limits<float>::infinity();
  ImageMaker maker;
  maker.Add<float>("out", DType::kFloat32, {2, 1, 2}, {0, 0, 0, 0});
  maker.Add<float>("lse", DType::kFloat32, {2, 1}, {0, 0});
  // Out of order: names decide.
  maker.Add<float>("part_lse_1", DType::kFloat32, {2, 1}, {std::log(3.0F), empty});
  maker.Add<float>("part_out_1", DType::kFloat32, {2, 1, 2}, {5, 9, NAN, NAN});
  maker.Add<float>("part_out_0", DType::kFloat32, {2, 1, 2}, {1, 1, 2, 4});
  maker.Add<float>("part_lse_0", DType::kFloat32, {2, 1}, {0, 1});
  return maker.image;
}

TEST(SessionCalls, WriteKvWritesTheNamedSlots) {
  const std::unique_ptr<Session> session = Open("writes-and-merges");
  ASSERT_NE(session, nullptr);
  CallImage image = WriteImage();
  const CallResult result = session->WriteKv(SmallProblem(1), 8, image);
  EXPECT_EQ(result.end, CallEnd::kAnswered) << result.message;
  EXPECT_EQ(result.status, ATTEST_OK) << result.message;
  EXPECT_EQ(Values<float>(image, "key_cache", 8), (std::vector<float>{0, 0, 0, 0, 0, 0, 1, 2}));
  EXPECT_EQ(Values<float>(image, "value_cache", 8), (std::vector<float>{9, 9, 9, 9, 9, 9, 5, 6}));
}

TEST(SessionCalls, MergeGetsItsPartsByNumber) {
  const std::unique_ptr<Session> session = Open("writes-and-merges");
  ASSERT_NE(session, nullptr);
  CallImage image = MergeImage();
  const CallResult result = session->Merge(SmallProblem(1), 8, image);
  EXPECT_EQ(result.status, ATTEST_OK) << result.message;
  EXPECT_EQ(result.end, CallEnd::kAnswered) << result.message;
  const std::vector<float> out = Values<float>(image, "out", 4);
  EXPECT_FLOAT_EQ(out[0], 4);  // (1 + 3 * 5) / 4
  EXPECT_FLOAT_EQ(out[1], 7);
  EXPECT_FLOAT_EQ(out[2], 2);
  EXPECT_FLOAT_EQ(Values<float>(image, "lse", 2)[0], std::log(4.0F));
}

TEST(SessionCalls, ARefusalArrivesWithItsReason) {
  const std::unique_ptr<Session> session = Open("writes-and-merges");
  ASSERT_NE(session, nullptr);
  CallImage image = WriteImage();
  const CallImage before = image;
  const CallResult write = session->WriteKv(SmallProblem(7), 8, image);
  EXPECT_EQ(write.status, ATTEST_REFUSED);
  EXPECT_EQ(write.message, "write_kv with 2 slots, struct_size 408");
  CallImage parts = MergeImage();
  const CallResult merge = session->Merge(SmallProblem(7), 8, parts);
  EXPECT_EQ(merge.message, "merge of 2 parts, struct_size 136");
  EXPECT_EQ(image.bytes, before.bytes);
}

TEST(SessionCalls, ABackendWithoutThemRefuses) {
  const std::unique_ptr<Session> session = Open("honest");
  ASSERT_NE(session, nullptr);
  CallImage image = WriteImage();
  EXPECT_EQ(session->WriteKv(SmallProblem(1), 8, image).status, ATTEST_REFUSED);
  CallImage parts = MergeImage();
  const CallResult result = session->Merge(SmallProblem(1), 8, parts);
  EXPECT_EQ(result.status, ATTEST_REFUSED);
  EXPECT_EQ(result.message, "merge is not offered");
}

TEST(SessionCalls, AMergeThatLacksATensorIsTheParentsFault) {
  const std::unique_ptr<Session> session = Open("writes-and-merges");
  ASSERT_NE(session, nullptr);
  CallImage image = MergeImage();
  image.tensors.pop_back();  // part_lse_0
  const CallResult result = session->Merge(SmallProblem(1), 8, image);
  EXPECT_EQ(result.end, CallEnd::kProtocol);
  EXPECT_EQ(result.message, "answered merge with status 'bad_request': tensor part_lse_0: missing");
}

TEST(SessionCalls, ClaimsAndTableMustAgree) {
  EXPECT_EQ(OpeningError("claims-unoffered-write"),
            "backend 'zoo': claims write-kv, but the table lacks the member write_kv");
  EXPECT_EQ(OpeningError("claims-unoffered-merge"),
            "backend 'zoo': claims merge, but the table lacks the member merge");
  EXPECT_EQ(OpeningError("offers-unclaimed-write"),
            "backend 'zoo': the table offers write_kv, but the claims lack write-kv");
  EXPECT_EQ(OpeningError("offers-unclaimed-merge"),
            "backend 'zoo': the table offers merge, but the claims lack merge");
}

}  // namespace
}  // namespace attest
