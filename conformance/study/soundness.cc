// SPDX-License-Identifier: Apache-2.0
#include "conformance/study/soundness.h"

#include <fmt/format.h>

#include <Eigen/Core>
#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace attest {
namespace {

constexpr std::size_t kViolationsKept = 32;

// Hands out case numbers and folds results in their order, so that the report ends with the same
// case however many threads there are.
class Collector {
 public:
  Collector(SoundnessReport* report, const SoundnessProgress& progress)
      : report_(report), progress_(progress) {
    if (report->options.only_case < 0) return;
    next_ = folded_ = report->options.only_case;
  }

  std::optional<std::int64_t> Next() {
    const std::lock_guard lock(mutex_);
    if (done_ || !status_.ok()) return std::nullopt;
    if (report_->options.only_case >= 0 && next_ > report_->options.only_case) return std::nullopt;
    return next_++;
  }

  void Take(std::int64_t index, Result<SoundnessCase> result) {
    const std::lock_guard lock(mutex_);
    if (!result.ok()) {
      if (status_.ok()) status_ = result.status();
      return;
    }
    waiting_.emplace(index, *std::move(result));
    for (auto it = waiting_.find(folded_); it != waiting_.end() && !done_;
         it = waiting_.find(folded_)) {
      Fold(it->second);
      waiting_.erase(it);
      ++folded_;
    }
  }

  const Status& status() const { return status_; }

 private:
  void Fold(const SoundnessCase& value) {
    report_->tally.Add(value.tally);
    for (const Violation& violation : value.violations) {
      if (report_->violations.size() < kViolationsKept) report_->violations.push_back(violation);
    }
    const auto rows = static_cast<std::int64_t>(report_->tally.rows());
    done_ = report_->options.only_case >= 0 || rows >= report_->options.lines;
    if (progress_) progress_(rows, report_->tally.all.violations);
  }

  std::mutex mutex_;
  SoundnessReport* report_;
  const SoundnessProgress& progress_;
  std::map<std::int64_t, SoundnessCase> waiting_;
  std::int64_t next_ = 0;
  std::int64_t folded_ = 0;
  bool done_ = false;
  Status status_;
};

}  // namespace

Result<SoundnessReport> StudySoundness(const SoundnessOptions& options,
                                       const SoundnessProgress& progress) {
  Eigen::setNbThreads(1);
  SoundnessReport report{.host = DescribeHost(), .options = options};
  const auto start = std::chrono::steady_clock::now();
  Collector collector(&report, progress);
  const auto work = [&] {
    while (const std::optional<std::int64_t> index = collector.Next()) {
      collector.Take(*index,
                     RunSoundnessCase(options.seed, *index, options.limits, options.defect));
    }
  };
  std::vector<std::thread> threads;
  for (int n = 1; n < options.jobs; ++n) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  if (!collector.status().ok()) return collector.status();
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

std::string ReplayLine(const SoundnessOptions& options, const Violation& violation) {
  return fmt::format("attest study soundness --seed {} --case {}{}", options.seed,
                     violation.case_index,
                     options.defect.empty() ? "" : " --defect " + options.defect);
}

}  // namespace attest
