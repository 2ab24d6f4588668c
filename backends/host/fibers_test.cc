// SPDX-License-Identifier: Apache-2.0
#include "backends/gpu/fibers.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backends/gpu/device.h"
#include "backends/gpu/sanitizers.h"
#include "backends/host/testing/planted.h"

namespace attest::gpu {
namespace {

constexpr ThreadOrder kOrders[] = {ThreadOrder::kPlain, ThreadOrder::kReversed,
                                   ThreadOrder::kShuffled};

TEST(Fibers, RunARightKernelInEveryOrder) {
  for (const ThreadOrder order : kOrders) EXPECT_EQ(RunPlanted<Mistake::kNone>(order), "");
}

// Thread 0 adds up what the others have not written: it finds the poison of shared memory.
TEST(Fibers, AMissingBarrierGivesWrongSumsInEveryOrder) {
  for (const ThreadOrder order : kOrders) {
    EXPECT_EQ(RunPlanted<Mistake::kMissingBarrier>(order), "wrong sums");
  }
}

TEST(Fibers, AMissingTrailingBarrierGivesWrongSumsInEveryOrder) {
  for (const ThreadOrder order : kOrders) {
    EXPECT_EQ(RunPlanted<Mistake::kMissingTrailing>(order), "wrong sums");
  }
}

TEST(Fibers, ADivergentBarrierIsNamedWithItsLine) {
  for (const ThreadOrder order : kOrders) {
    const std::string fault = RunPlanted<Mistake::kDivergentBarrier>(order);
    EXPECT_EQ(fault.find("barrier at planted.h:"), 0U) << fault;
    EXPECT_NE(fault.find("reached by"), std::string::npos) << fault;
  }
}

TEST(Fibers, SharedMemoryThatNobodyWroteIsNotANumber) {
  for (const ThreadOrder order : kOrders) {
    EXPECT_EQ(RunPlanted<Mistake::kUninitialised>(order), "wrong sums");
  }
}

#if GPU_ASAN
TEST(FibersDeathTest, AFloatPastSharedMemoryIsReported) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH((void)RunPlanted<Mistake::kSharedOutOfBounds>(ThreadOrder::kPlain),
               "(use-after-poison|heap-buffer-overflow)");
}
TEST(FibersDeathTest, AFloatPastTheOutputIsReported) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH((void)RunPlanted<Mistake::kGlobalOutOfBounds>(ThreadOrder::kPlain),
               "heap-buffer-overflow");
}
#endif

struct ShuffleParams {
  int* lanes;  // [threads]
};
GPU_KERNEL(64) ShuffleKernel(const ShuffleParams p) {
  const float own = static_cast<float>(ThreadX());
  // Two exchanges in a row: the second must not see the slots of the first.
  const float first = ShuffleXor(own, 1);
  const float second = ShuffleXor(own + 100.0F, 16);
  p.lanes[ThreadX()] = static_cast<int>(first) * 1000 + static_cast<int>(second);
}

TEST(Fibers, ShufflesStayWithinAWarp) {
  for (const ThreadOrder order : kOrders) {
    std::vector<int> lanes(64);
    FiberGrid fibers(1, order, 3);
    EXPECT_EQ(fibers.Run(MakeLaunch(ShuffleKernel, {}, {64, 1, 1}, 0, {lanes.data()})), "");
    for (int i = 0; i < 64; ++i) {
      EXPECT_EQ(lanes[static_cast<std::size_t>(i)], (i ^ 1) * 1000 + (i ^ 16) + 100);
    }
  }
}

GPU_KERNEL(64) HalfAWarpKernel(const ShuffleParams p) {
  if (ThreadX() % 32 < 16) p.lanes[ThreadX()] = static_cast<int>(ShuffleXor(1.0F, 1));
}

TEST(Fibers, ACollectiveWithoutAllLanesIsAFault) {
  std::vector<int> lanes(64);
  FiberGrid fibers(1, ThreadOrder::kPlain, 3);
  const std::string fault =
      fibers.Run(MakeLaunch(HalfAWarpKernel, {}, {64, 1, 1}, 0, {lanes.data()}));
  EXPECT_EQ(fault.find("warp collective at fibers_test.cc:"), 0U) << fault;
  EXPECT_NE(fault.find("reached by 16 of 64 threads of block (0, 0, 0)"), std::string::npos)
      << fault;
}

struct OrderParams {
  int* next;
  int* seen;  // [threads]: when each thread ran
};
GPU_KERNEL(8) OrderKernel(const OrderParams p) { p.seen[ThreadX()] = (*p.next)++; }

std::vector<int> SeenIn(ThreadOrder order) {
  int next = 0;
  std::vector<int> seen(8);
  FiberGrid fibers(1, order, 3);
  EXPECT_EQ(fibers.Run(MakeLaunch(OrderKernel, {}, {8, 1, 1}, 0, {&next, seen.data()})), "");
  return seen;
}

TEST(Fibers, RunInTheOrderThatIsAskedFor) {
  EXPECT_EQ(SeenIn(ThreadOrder::kPlain), (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(SeenIn(ThreadOrder::kReversed), (std::vector<int>{7, 6, 5, 4, 3, 2, 1, 0}));
  EXPECT_NE(SeenIn(ThreadOrder::kShuffled), SeenIn(ThreadOrder::kPlain));
}

struct AddParams {
  float* to;
  float amount;
};
GPU_KERNEL(1) AddKernel(const AddParams p) { *p.to += p.amount; }

// What is recorded is the argument's bytes, not the variable it came from.
TEST(Runtime, AGraphReplaysLaunchesWithTheirArgumentsAsRecorded) {
  std::unique_ptr<Stream> stream;
  ASSERT_TRUE(Stream::Open({.threads = 1}, stream).ok());
  void* memory = nullptr;
  ASSERT_TRUE(stream->Allocate(sizeof(float), memory).ok());
  const float zero = 0.0F;
  ASSERT_TRUE(stream->CopyToDevice(memory, &zero, sizeof(zero)).ok());
  AddParams params = {static_cast<float*>(memory), 2.0F};
  Graph graph;
  ASSERT_TRUE(stream->BeginRecording().ok());
  ASSERT_TRUE(stream->Enqueue(MakeLaunch(AddKernel, {}, {}, 0, params)).ok());
  params.amount = 50.0F;
  ASSERT_TRUE(stream->EndRecording(graph).ok());
  float sum = -1.0F;
  ASSERT_TRUE(stream->CopyToHost(&sum, memory, sizeof(sum)).ok());
  EXPECT_EQ(sum, 0.0F);  // nothing ran while it was recorded
  ASSERT_TRUE(stream->Replay(graph).ok());
  ASSERT_TRUE(stream->Replay(graph).ok());
  ASSERT_TRUE(stream->CopyToHost(&sum, memory, sizeof(sum)).ok());
  EXPECT_EQ(sum, 4.0F);
  EXPECT_TRUE(stream->Release(memory).ok());
}

}  // namespace
}  // namespace attest::gpu
