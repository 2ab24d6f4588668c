// SPDX-License-Identifier: Apache-2.0
#include "conformance/cli/engine.h"

#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>

namespace attest {
namespace {

class EngineTest : public testing::Test {
 protected:
  EngineTest() : cases_(100) {
    for (std::size_t i = 0; i < cases_.size(); ++i) {
      cases_[i].id = std::to_string(i);
      list_.push_back(&cases_[i]);
    }
  }

  static Result<Record> Pass(int, const Case& value) {
    return Record{.case_id = value.id, .verdict = Verdict::kPass};
  }

  std::vector<Case> cases_;
  std::vector<const Case*> list_;
  std::vector<std::string> seen_;
  RecordSink keep_ = [this](const Record& record) -> Status {
    seen_.push_back(record.case_id);
    return {};
  };
};

TEST_F(EngineTest, EveryCaseRunsOnceWhateverTheNumberOfJobs) {
  for (const int jobs : {1, 2, 7, 200}) {
    seen_.clear();
    ASSERT_TRUE(RunCases(list_, Pass, keep_, {.jobs = jobs}).ok());
    EXPECT_EQ(seen_.size(), cases_.size());
    EXPECT_EQ(std::set<std::string>(seen_.begin(), seen_.end()).size(), cases_.size());
  }
}

TEST_F(EngineTest, AJobIsOneThread) {
  std::mutex mutex;
  std::map<int, std::set<std::thread::id>> threads;
  const CaseRunner run = [&](int job, const Case& value) {
    const std::lock_guard<std::mutex> lock(mutex);
    threads[job].insert(std::this_thread::get_id());
    return Pass(job, value);
  };
  ASSERT_TRUE(RunCases(list_, run, keep_, {.jobs = 4}).ok());
  for (const auto& [job, ids] : threads) EXPECT_EQ(ids.size(), 1U) << job;
}

TEST_F(EngineTest, AFailureOfTheRunnerEndsTheRun) {
  const CaseRunner run = [](int job, const Case& value) -> Result<Record> {
    if (value.id == "10") return EnvironmentError("no session");
    return Pass(job, value);
  };
  const Status status = RunCases(list_, run, keep_, {.jobs = 1});
  EXPECT_EQ(status.code(), StatusCode::kEnvironment);
  EXPECT_EQ(seen_.size(), 10U);
}

TEST_F(EngineTest, AnExceptionIsAFaultOfOursAndNamesTheCase) {
  const CaseRunner run = [](int, const Case&) -> Result<Record> {
    throw std::runtime_error("out of memory");
  };
  const Status status = RunCases(list_, run, keep_, {.jobs = 2});
  EXPECT_EQ(status.code(), StatusCode::kInternal);
  EXPECT_NE(status.message().find(": out of memory"), std::string::npos);
}

TEST_F(EngineTest, ARecordThatCannotBeKeptEndsTheRun) {
  const RecordSink full = [](const Record&) { return EnvironmentError("disk full"); };
  EXPECT_EQ(RunCases(list_, Pass, full, {.jobs = 3}).message(), "disk full");
}

TEST_F(EngineTest, AStopFinishesTheCaseInFlightAndKeepsIt) {
  std::atomic<bool> stop{false};
  const CaseRunner run = [&](int job, const Case& value) {
    stop = value.id == "4";
    return Pass(job, value);
  };
  ASSERT_TRUE(RunCases(list_, run, keep_, {.jobs = 1, .stop = &stop}).ok());
  EXPECT_EQ(seen_, (std::vector<std::string>{"0", "1", "2", "3", "4"}));
}

}  // namespace
}  // namespace attest
