// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "backends/cpu/test_array.h"
#include "backends/cpu/test_call.h"

namespace {

std::atomic<std::int64_t> allocations = 0;

void* Counted(std::size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc();
}

}  // namespace

// The library of the backend finds these too.
void* operator new(std::size_t bytes) { return Counted(bytes); }
void* operator new[](std::size_t bytes) { return Counted(bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t /*bytes*/) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t /*bytes*/) noexcept { std::free(memory); }

namespace attest::cpu {
namespace {

attest_backend_t& Backend() { return TestCall::Backend(); }

// The arguments of the first `requests` requests of a call, in the call's memory.
struct FirstRequests {
  FirstRequests(const TestCall& call, std::int64_t requests)
      : problem(call.problem), args(call.args) {
    problem.num_requests = requests;
    Narrow(args.query_start_loc, requests + 1);
    Narrow(args.seq_lens, requests);
    Narrow(args.block_table, requests);
    std::int32_t tokens = 0;
    const auto* starts =
        static_cast<const std::byte*>(args.query_start_loc.data) + args.query_start_loc.byte_offset;
    std::memcpy(&tokens, starts + requests * args.query_start_loc.strides[0] * 4, sizeof(tokens));
    problem.num_actual_tokens = tokens;
  }
  FirstRequests(const FirstRequests&) = delete;
  FirstRequests& operator=(const FirstRequests&) = delete;

  attest_problem_t problem;
  attest_forward_args_t args;

 private:
  void Narrow(attest_tensor_t& tensor, std::int64_t extent) {
    if (tensor.data == nullptr) return;
    std::vector<std::int64_t>& shape = shapes_[next_++];
    shape.assign(tensor.shape, tensor.shape + tensor.ndim);
    shape[0] = extent;
    tensor.shape = shape.data();
  }

  std::vector<std::int64_t> shapes_[3];
  int next_ = 0;
};

class GraphTest : public testing::Test {
 protected:
  ~GraphTest() override {
    if (graph_ != nullptr) Backend().graph_destroy(Backend().self, graph_, &error_);
  }

  void Capture(const TestCall& call) {
    ASSERT_EQ(Backend().graph_capture(Backend().self, &call.problem, &call.args, &graph_, &error_),
              ATTEST_OK)
        << error_.message;
  }
  attest_status_t Update(const FirstRequests& step) {
    return Backend().graph_update(Backend().self, graph_, &step.problem, &step.args, &error_);
  }
  attest_status_t Replay() { return Backend().graph_replay(Backend().self, graph_, &error_); }
  attest_status_t Forward(const FirstRequests& step) {
    return Backend().forward(Backend().self, &step.problem, &step.args, &error_);
  }

  attest_graph_t* graph_ = nullptr;
  attest_error_t error_ = {};
};

TestShape Mixed() {
  TestShape shape;
  shape.requests = {{3, 10}, {1, 70}, {5, 33}};
  return shape;
}

std::vector<std::byte> BytesOf(const attest_tensor_t& tensor) {
  const auto* first = static_cast<const std::byte*>(tensor.data) + tensor.byte_offset;
  std::int64_t last = 0;
  for (std::int32_t axis = 0; axis < tensor.ndim; ++axis) {
    last += (tensor.shape[axis] - 1) * tensor.strides[axis];
  }
  return {first, first + (last + 1) * tensor.dtype.bits / 8};
}

void Clear(const attest_tensor_t& tensor) {
  const std::vector<std::byte> zeroes(BytesOf(tensor).size());
  std::memcpy(static_cast<std::byte*>(tensor.data) + tensor.byte_offset, zeroes.data(),
              zeroes.size());
}

TEST_F(GraphTest, ReplaysEachStepWithTheBitsOfForward) {
  const TestCall call(Mixed());
  Capture(call);
  for (const std::int64_t requests : {3, 1, 2, 3}) {
    const FirstRequests step(call, requests);
    Clear(call.args.out);
    ASSERT_EQ(Forward(step), ATTEST_OK) << error_.message;
    const std::vector<std::byte> eager = BytesOf(call.args.out);
    Clear(call.args.out);
    const std::vector<std::byte> cleared = BytesOf(call.args.out);
    ASSERT_EQ(Update(step), ATTEST_OK) << error_.message;
    EXPECT_EQ(BytesOf(call.args.out), cleared) << "update computes nothing";
    ASSERT_EQ(Replay(), ATTEST_OK) << error_.message;
    EXPECT_EQ(BytesOf(call.args.out), eager) << requests;
  }
}

TEST_F(GraphTest, ReplayAllocatesNothing) {
  const TestCall call(Mixed());
  Capture(call);
  const FirstRequests one(call, 1);
  const FirstRequests all(call, 3);
  ASSERT_EQ(Update(one), ATTEST_OK);
  ASSERT_EQ(Replay(), ATTEST_OK);
  const std::int64_t before = allocations;
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(Replay(), ATTEST_OK);
  }
  EXPECT_EQ(allocations, before);
  ASSERT_EQ(Update(all), ATTEST_OK);
  const std::int64_t updated = allocations;
  ASSERT_EQ(Replay(), ATTEST_OK);
  EXPECT_EQ(allocations, updated);
  ASSERT_EQ(Forward(all), ATTEST_OK);  // lists its tiles: the counter sees into the library
  EXPECT_GT(allocations, updated);
}

TEST_F(GraphTest, ReadsTheQueryWhenItReplays) {
  TestCall call(Mixed());
  Capture(call);
  const FirstRequests step(call, 3);
  ASSERT_EQ(Update(step), ATTEST_OK);
  ASSERT_EQ(Replay(), ATTEST_OK);
  const std::vector<std::byte> first = BytesOf(call.args.out);
  call.Store(call.args.query, {0, 0, 0}, 3.0);
  ASSERT_EQ(Replay(), ATTEST_OK);
  EXPECT_NE(BytesOf(call.args.out), first);
  EXPECT_EQ(call.FirstDifference(), "");
}

TEST_F(GraphTest, ViewsStayInTheirBuffers) {
  const TestCall call(Mixed());
  Capture(call);
  std::vector<attest_persistent_view_t> first;
  for (const std::int64_t requests : {3, 1, 2}) {
    const FirstRequests step(call, requests);
    ASSERT_EQ(Update(step), ATTEST_OK);
    attest_persistent_view_t view = {};
    std::int32_t index = 0;
    for (; Backend().graph_inspect(Backend().self, graph_, index, &view, &error_) == ATTEST_OK;
         ++index) {
      if (requests == 3) first.push_back(view);
      const auto n = static_cast<std::size_t>(index);
      EXPECT_EQ(view.view.data, first[n].view.data) << view.name;
      EXPECT_EQ(view.view.data, view.buffer.data) << view.name;
      EXPECT_EQ(view.view.strides[0], view.buffer.strides[0]) << view.name;
      EXPECT_EQ(view.view.shape[0], requests + (index == 0 ? 1 : 0)) << view.name;
    }
    EXPECT_EQ(index, 3);
  }
}

TEST_F(GraphTest, TakesNoStepThatWasNotCaptured) {
  const TestCall call(Mixed());
  Capture(call);
  const auto said = [this](const FirstRequests& step) {
    EXPECT_EQ(Update(step), ATTEST_INVALID_ARGUMENT);
    return std::string(error_.message);
  };
  FirstRequests bound(call, 3);
  ++bound.problem.max_seq_len;
  EXPECT_EQ(said(bound).substr(0, 12), "max_seq_len:");
  FirstRequests scale(call, 3);
  scale.problem.scale *= 2;
  EXPECT_EQ(said(scale), "step: another problem, the graph was captured for one of other features");
  FirstRequests moved(call, 3);
  moved.args.query.byte_offset += 4;
  EXPECT_EQ(said(moved), "query: elsewhere, tensors stay where they were captured");
  FirstRequests strides(call, 3);
  std::vector<std::int64_t> others(strides.args.out.strides, strides.args.out.strides + 3);
  others[0] += others[1];
  strides.args.out.strides = others.data();
  EXPECT_EQ(said(strides), "out.strides: others, strides stay as they were captured");
}

TEST(CopyToPersistent, KeepsTheRulesOfTheBuffer) {
  TestArray buffer({ATTEST_INT, 32, 1}, {3, 4}, 2);
  TestArray source({ATTEST_INT, 32, 1}, {2, 3});
  for (int i = 0; i < 6; ++i) source.Set({i / 3, i % 3}, i + 1);
  std::int64_t shape[2] = {};
  std::int64_t strides[2] = {};
  attest_tensor_t view = {};
  view.shape = shape;
  view.strides = strides;
  attest_error_t error = {};
  const auto copy = [&](const attest_tensor_t& from) {
    return Backend().copy_to_persistent(Backend().self, &buffer.tensor(), &from, &view, &error);
  };
  ASSERT_EQ(copy(source.tensor()), ATTEST_OK) << error.message;
  EXPECT_EQ(view.data, buffer.tensor().data);
  EXPECT_EQ(strides[0], buffer.tensor().strides[0]);
  EXPECT_EQ(shape[1], 3);
  EXPECT_EQ(buffer.Get<std::int32_t>({1, 2}), 6);
  EXPECT_EQ(buffer.Get<std::int32_t>({1, 3}), static_cast<std::int32_t>(0xa5a5a5a5));

  const std::vector<std::byte> before = buffer.bytes();
  TestArray wide({ATTEST_INT, 32, 1}, {1, 5});
  EXPECT_EQ(copy(wide.tensor()), ATTEST_INVALID_ARGUMENT);
  EXPECT_STREQ(error.message, "source.shape[1]: 5, the buffer has 4");
  TestArray flat({ATTEST_INT, 32, 1}, {4});
  EXPECT_EQ(copy(flat.tensor()), ATTEST_INVALID_ARGUMENT);
  EXPECT_STREQ(error.message, "source.ndim: 1, not the buffer's 2");
  TestArray floats({ATTEST_FLOAT, 32, 1}, {1, 1});
  EXPECT_EQ(copy(floats.tensor()), ATTEST_INVALID_ARGUMENT);
  EXPECT_STREQ(error.message, "source.dtype: 2/32, not the buffer's");
  EXPECT_EQ(buffer.bytes(), before);
}

}  // namespace
}  // namespace attest::cpu
