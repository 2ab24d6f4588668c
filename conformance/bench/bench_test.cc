// SPDX-License-Identifier: Apache-2.0
//
// That a benchmark measures what it says; how fast anything is, is nobody's test.
#include <gtest/gtest.h>

#include <vector>

#include "conformance/bench/backend_bench.h"
#include "conformance/bench/host.h"
#include "conformance/bench/measure.h"
#include "conformance/bench/reference_bench.h"

namespace attest {
namespace {

TEST(Measure, RunsEachWorkloadAtLeastAsOftenAsAskedAndKeepsTheirOrder) {
  int slow = 0;
  int quick = 0;
  const auto count = [](int* counter, int size) {
    return [counter, size] {
      ++*counter;
      volatile double sum = 0;
      for (int i = 0; i < size; ++i) sum = sum + i;
      return Status();
    };
  };
  const Result<std::vector<Timing>> timings =
      Measure({{"slow", 2.0, count(&slow, 2000000)}, {"quick", 4.0, count(&quick, 2000)}}, 3, 0.05);
  ASSERT_TRUE(timings.ok()) << timings.status().message();
  ASSERT_EQ(timings->size(), 2U);
  EXPECT_EQ(timings->at(0).name, "slow");
  EXPECT_GE(slow, 3);
  EXPECT_GT(quick, slow);  // a thousand times less work in the same time
  EXPECT_GT(timings->at(0).median_s, timings->at(1).median_s);
  EXPECT_GE(timings->at(0).median_s, timings->at(0).best_s);
}

TEST(Measure, AFailedRunIsTheResult) {
  const Result<std::vector<Timing>> timings =
      Measure({{"broken", 0, [] { return BadInput("no tensor"); }}}, 2);
  ASSERT_FALSE(timings.ok());
  EXPECT_EQ(timings.status().message(), "no tensor");
}

TEST(Host, PeakCountsWhatTheRunTouches) {
  const Result<std::uint64_t> bytes = PeakBytesOf([] {
    std::vector<char> block(std::size_t{48} << 20, 1);
    return block[block.size() / 2] == 1 ? Status() : InternalError("block");
  });
  if (!bytes.ok()) GTEST_SKIP() << bytes.status().message();
  EXPECT_GE(*bytes, std::uint64_t{47} << 20);
}

TEST(ReferenceBench, SmallSizesGiveEveryFigure) {
  const BenchOptions options{.repetitions = 1,
                             .min_seconds = 0.01,
                             .threads = 2,
                             .length = 64,
                             .gemm = 64,
                             .memory_length = 256,
                             .long_length = 2048,
                             .long_rows = 64};
  const Result<BenchReport> report = BenchReference(options);
  if (!report.ok()) GTEST_SKIP() << report.status().message();
  EXPECT_EQ(report->figures.size(), 8U);
  for (const Figure& figure : report->figures) EXPECT_GE(figure.value, 0.0) << figure.name;
  EXPECT_NE(Describe(*report).find("certain to meet"), std::string::npos);
  EXPECT_NE(ToJsonText(*report).find("\"figures\""), std::string::npos);
}

TEST(BackendBench, ALibraryThatIsNotThereIsNamed) {
  const Result<BackendBenchReport> report = BenchBackend({.library = "/nowhere/lib.so"});
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.status().code(), StatusCode::kEnvironment);
  EXPECT_EQ(report.status().message().rfind("/nowhere/lib.so: cannot_load", 0), 0U)
      << report.status().message();
}

#ifdef ATTEST_CPU_LIBRARY
TEST(BackendBench, EveryShapeIsTimed) {
  const Result<BackendBenchReport> report = BenchBackend(
      {.library = ATTEST_CPU_LIBRARY, .repetitions = 1, .min_seconds = 0.01, .quick = true});
  ASSERT_TRUE(report.ok()) << report.status().message();
  ASSERT_EQ(report->timings.size(), CallShapes(true).size());
  for (const Timing& timing : report->timings) EXPECT_GT(timing.median_s, 0.0) << timing.name;
  EXPECT_NE(ToJsonText(*report).find("\"seq_len\": 1024"), std::string::npos);
}
#endif

#ifdef ATTEST_HOST_LIBRARY
// The fibers' tensors go the way of a device's: allocated and copied by the backend.
TEST(BackendBench, EveryShapeOfADeviceIsTimed) {
  const Result<BackendBenchReport> report = BenchBackend({.library = ATTEST_HOST_LIBRARY,
                                                          .selector = "naive",
                                                          .repetitions = 1,
                                                          .min_seconds = 0.01,
                                                          .quick = true});
  ASSERT_TRUE(report.ok()) << report.status().message();
  ASSERT_EQ(report->timings.size(), DeviceCallShapes(true).size());
  for (const Timing& timing : report->timings) EXPECT_GT(timing.median_s, 0.0) << timing.name;
  EXPECT_FALSE(report->device.empty());
  const std::string json = ToJsonText(*report);
  EXPECT_NE(json.find("\"dtype\": \"bfloat16\""), std::string::npos) << json;
  EXPECT_NE(json.find("\"kv_heads\": 8"), std::string::npos) << json;
}

// A causal-only family has no non-causal prefill.
TEST(BackendBench, AShapeThatIsRefusedIsNamedWithItsReason) {
  const Result<BackendBenchReport> report = BenchBackend(
      {.library = ATTEST_HOST_LIBRARY, .selector = "unified", .repetitions = 1, .quick = true});
  ASSERT_FALSE(report.ok());
  EXPECT_NE(report.status().message().find("unified"), std::string::npos)
      << report.status().message();
}
#endif

TEST(Figure, IsKeptOnTheRightSideOfItsLimit) {
  EXPECT_TRUE((Figure{"a", 0.8, "", 0.8, true}).kept());
  EXPECT_FALSE((Figure{"a", 0.79, "", 0.8, true}).kept());
  EXPECT_FALSE((Figure{"a", 64.1, "MiB", 64.0, false}).kept());
}

}  // namespace
}  // namespace attest
