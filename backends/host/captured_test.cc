// SPDX-License-Identifier: Apache-2.0
//
// What a captured graph asks of the device while it is recorded, updated and replayed: no memory.
#include "backends/gpu/graph/captured.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <numeric>
#include <string>

#include "backends/gpu/dtype.h"
#include "backends/gpu/family.h"
#include "backends/gpu/runtime.h"
#include "backends/host/testing/call_tensor.h"
#include "backends/host/testing/decoder.h"
#include "spec/abi/attest.h"

namespace attest::gpu::graph {
namespace {

constexpr std::int64_t kMostRequests = 3;
constexpr std::int64_t kWidth = 2;
constexpr int kBlockSize = 4;  // as Decoder has it
constexpr int kColumns = 16;

// Causal decoders of one new token each, one head; the first `requests` of three.
struct Decoders {
  Decoders() {
    std::iota(starts.numbers().begin(), starts.numbers().end(), 0);
    std::iota(table.numbers().begin(), table.numbers().end(), 0);
  }
  attest_problem_t Problem(std::int64_t requests, std::int64_t width) const {
    attest_problem_t problem = Decoder(1, kColumns);
    problem.num_blocks = kMostRequests * kWidth;
    problem.num_requests = problem.num_actual_tokens = requests;
    problem.max_query_len = 1;
    problem.max_seq_len = width * kBlockSize;
    problem.block_table_width = width;
    return problem;
  }
  attest_forward_args_t Args() const {
    attest_forward_args_t args = {};
    args.struct_size = sizeof(args);
    args.query = query.tensor();
    args.key = key.tensor();
    args.value = value.tensor();
    args.key_cache = key_cache.tensor();
    args.value_cache = value_cache.tensor();
    args.query_start_loc = starts.tensor();
    args.seq_lens = lengths.tensor();
    args.block_table = table.tensor();
    args.out = out.tensor();
    return args;
  }

  CallTensor<float> query{kFloat32DType, {kMostRequests, 1, kColumns}, 1, 1.0F};
  CallTensor<float> key{kFloat32DType, {kMostRequests, 1, kColumns}, 1, 1.0F};
  CallTensor<float> value{kFloat32DType, {kMostRequests, 1, kColumns}, 1, 1.0F};
  CallTensor<float> key_cache{
      kFloat32DType, {kMostRequests * kWidth, kBlockSize, 1, kColumns}, 1, 1.0F};
  CallTensor<float> value_cache{
      kFloat32DType, {kMostRequests * kWidth, kBlockSize, 1, kColumns}, 1, 1.0F};
  CallTensor<std::int32_t> starts{kInt32DType, {kMostRequests + 1}};
  CallTensor<std::int32_t> lengths{kInt32DType, {kMostRequests}, 1, kBlockSize};
  CallTensor<std::int32_t> table{kInt32DType, {kMostRequests, kWidth}};
  CallTensor<float> out{kFloat32DType, {kMostRequests, 1, kColumns}};
};

std::unique_ptr<Stream> OneThread() {
  DeviceOptions options;
  options.threads = 1;
  std::unique_ptr<Stream> stream;
  EXPECT_TRUE(Stream::Open(options, stream).ok());
  return stream;
}

// Allocations of steps of one to three requests and one or two pages each, and of their replays.
std::int64_t AllocationsOfSteps(const Family& family, Mistake mistake) {
  const std::unique_ptr<Stream> stream = OneThread();
  Decoders call;
  const attest_forward_args_t args = call.Args();
  std::unique_ptr<CapturedGraph> graph;
  const Answer captured = CapturedGraph::Capture(*stream, family, mistake,
                                                 call.Problem(kMostRequests, kWidth), args, graph);
  EXPECT_TRUE(captured.ok()) << family.name << ": " << captured.text;
  const std::int64_t before = stream->allocations();
  EXPECT_GT(before, 0) << family.name << ": buffers of the graph's own";
  for (std::int64_t requests = 1; requests <= kMostRequests; ++requests) {
    for (std::int64_t width = 1; width <= kWidth; ++width) {
      call.out.numbers().assign(call.out.numbers().size(), -7.0F);
      const Answer updated = graph->Update(call.Problem(requests, width), args);
      EXPECT_TRUE(updated.ok()) << family.name << ": " << updated.text;
      EXPECT_TRUE(graph->Replay().ok()) << family.name;
      EXPECT_EQ(call.out.At({requests - 1, 0, 0}), 1.0F) << family.name << ": it has run";
    }
  }
  return stream->allocations() - before;
}

TEST(CapturedGraph, StepsAllocateNothing) {
  for (const Family* family : Families()) {
    EXPECT_EQ(AllocationsOfSteps(*family, Mistake::kNone), 0) << family->name;
  }
}

// `flash` keeps the parts of split keys in scratch memory: a call by the way takes its own.
TEST(CapturedGraph, TheFallbackToForwardDoesAllocate) {
  for (const Family* family : Families()) {
    if (family->name != std::string("flash")) continue;
    EXPECT_GT(AllocationsOfSteps(*family, Mistake::kEagerFallback), 0);
  }
}

TEST(CapturedGraph, NothingIsAllocatedWhileItIsRecorded) {
  const std::unique_ptr<Stream> stream = OneThread();
  void* pointer = nullptr;
  ASSERT_TRUE(stream->BeginRecording().ok());
  EXPECT_EQ(stream->Allocate(16, pointer).text, "allocate: a graph is being recorded");
  Graph graph;
  ASSERT_TRUE(stream->EndRecording(graph).ok());
  EXPECT_TRUE(stream->Allocate(16, pointer).ok());
}

}  // namespace
}  // namespace attest::gpu::graph
