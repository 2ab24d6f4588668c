// SPDX-License-Identifier: Apache-2.0
#include "conformance/cli/engine.h"

#include <exception>
#include <mutex>
#include <string>
#include <thread>

namespace attest {
namespace {

class Engine {
 public:
  Engine(const std::vector<const Case*>& cases, const CaseRunner& run, const RecordSink& sink,
         const EngineOptions& options)
      : cases_(cases), run_(run), sink_(sink), stop_(options.stop) {}

  void Work(int job) {
    while (!Stopped()) {
      const std::size_t at = next_++;
      if (at >= cases_.size()) return;
      Keep(RunOne(job, *cases_[at]));
    }
  }

  Status status() const { return status_; }

 private:
  bool Stopped() const { return failed_ || (stop_ != nullptr && *stop_); }

  Result<Record> RunOne(int job, const Case& value) {
    try {
      return run_(job, value);
    } catch (const std::exception& error) {  // memory, mostly: a thread must not take us down
      return InternalError(value.id + ": " + error.what());
    }
  }

  void Keep(const Result<Record>& record) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (failed_) return;
    const Status status = record.ok() ? sink_(*record) : record.status();
    if (status.ok()) return;
    status_ = status;
    failed_ = true;
  }

  const std::vector<const Case*>& cases_;
  const CaseRunner& run_;
  const RecordSink& sink_;
  const std::atomic<bool>* stop_;
  std::atomic<std::size_t> next_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  Status status_;
};

}  // namespace

Status RunCases(const std::vector<const Case*>& cases, const CaseRunner& run,
                const RecordSink& sink, const EngineOptions& options) {
  Engine engine(cases, run, sink, options);
  std::vector<std::thread> threads;
  for (int job = 0; job < options.jobs; ++job) {
    threads.emplace_back([&engine, job] { engine.Work(job); });
  }
  for (std::thread& thread : threads) thread.join();
  return engine.status();
}

}  // namespace attest
