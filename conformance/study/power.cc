// SPDX-License-Identifier: Apache-2.0
#include "conformance/study/power.h"

#include <fmt/format.h>

#include <Eigen/Core>
#include <algorithm>
#include <chrono>
#include <mutex>
#include <thread>

#include "conformance/study/power_kernel.h"
#include "conformance/study/power_trial.h"

namespace attest {
namespace {

struct FeatureName {
  Feature feature;
  std::string_view control;
};
constexpr std::array kFeatures = {FeatureName{Feature::kPlain, "none"},
                                  FeatureName{Feature::kWindow, "none (window)"},
                                  FeatureName{Feature::kSoftcap50, "none (softcap 50)"},
                                  FeatureName{Feature::kSoftcap20, "none (softcap 20)"},
                                  FeatureName{Feature::kSink, "none (sink)"}};

struct Task {
  TrialKey key;
  std::string_view control;
  std::vector<Mistake> mistakes;  // the control first
  bool designed = false;
};

int TrialsOf(const PowerStudyOptions& options, std::int64_t length) {
  if (options.trials > 0) return options.trials;
  if (length <= 1024) return 10;
  if (length <= 4096) return 4;
  return length <= 16384 ? 2 : 1;
}

std::vector<Mistake> MistakesOf(const PowerStudyOptions& options, Feature feature) {
  std::vector<Mistake> mistakes = {{.name = "none", .feature = feature}};
  for (const Mistake& mistake : Mistakes()) {
    const auto& wanted = options.mistakes;
    const bool asked =
        wanted.empty() || std::find(wanted.begin(), wanted.end(), mistake.name) != wanted.end();
    if (mistake.feature == feature && asked) mistakes.push_back(mistake);
  }
  return mistakes;
}

// Longest first: what is left for the last thread is short.
std::vector<Task> TasksOf(const PowerStudyOptions& options) {
  std::vector<Task> tasks;
  for (const std::int64_t length : options.lengths) {
    for (const auto& [feature, control] : kFeatures) {
      const std::vector<Mistake> mistakes = MistakesOf(options, feature);
      if (mistakes.size() == 1 && feature != Feature::kPlain) continue;
      const int trials = TrialsOf(options, length);
      for (int trial = 0; trial < trials; ++trial) {
        const std::uint64_t seed = options.seed * 1000 + static_cast<std::uint64_t>(trial);
        tasks.push_back({{length, feature, seed}, control, mistakes, trial < 2});
      }
    }
  }
  std::stable_sort(tasks.begin(), tasks.end(),
                   [](const Task& a, const Task& b) { return a.key.length > b.key.length; });
  return tasks;
}

std::string RowName(const Task& task, std::size_t i) {
  return std::string(i == 0 ? task.control : task.mistakes[i].name);
}

class Collector {
 public:
  Collector(std::vector<Task> tasks, PowerReport* report, const PowerProgress& progress)
      : tasks_(std::move(tasks)), report_(report), progress_(progress) {}

  void Work() {
    for (;;) {
      std::unique_lock lock(mutex_);
      if (!status_.ok() || next_ == tasks_.size()) return;
      const Task& task = tasks_[next_++];
      lock.unlock();
      const auto field = RunFieldTrial(task.key, task.mistakes);
      const auto designed =
          task.designed ? RunDesignedTrial(task.key, task.mistakes) : std::vector<std::string>();
      lock.lock();
      if (!field.ok() || !designed.ok()) {
        status_ = field.ok() ? designed.status() : field.status();
        return;
      }
      Add(task, *field, *designed);
    }
  }

  const Status& status() const { return status_; }

 private:
  void Add(const Task& task, const std::vector<RuleVerdicts>& field,
           const std::vector<std::string>& designed) {
    for (std::size_t i = 0; i < task.mistakes.size(); ++i) {
      PowerCell& cell = report_->cells[{RowName(task, i), task.key.length}];
      ++cell.trials;
      for (std::size_t rule = 0; rule < kPowerRules.size(); ++rule) {
        cell.seen[rule] += field[i][rule] ? 1 : 0;
      }
      if (designed.empty()) continue;
      ++cell.designed_trials;
      if (designed[i].empty()) continue;
      ++cell.designed_seen;
      if (cell.designed_by.empty()) cell.designed_by = designed[i];
    }
    if (progress_) progress_(++done_, tasks_.size());
  }

  std::mutex mutex_;
  std::vector<Task> tasks_;
  PowerReport* report_;
  const PowerProgress& progress_;
  std::size_t next_ = 0;
  std::size_t done_ = 0;
  Status status_;
};

}  // namespace

std::vector<std::string> PowerReport::Faults() const {
  std::vector<std::string> faults;
  for (const auto& [key, cell] : cells) {
    const auto& [name, length] = key;
    if (name.rfind("none", 0) != 0) {
      if (cell.designed_seen < cell.designed_trials) {
        faults.push_back(fmt::format("{} at {} keys: no designed input sees it in {} of {} trials",
                                     name, length, cell.designed_trials - cell.designed_seen,
                                     cell.designed_trials));
      }
      continue;
    }
    for (std::size_t rule = kUsualRules; rule < kPowerRules.size(); ++rule) {
      if (cell.seen[rule] == 0) continue;
      faults.push_back(fmt::format("{} at {} keys: {} objects to a correct kernel", name, length,
                                   kPowerRules[rule]));
    }
    if (cell.designed_seen == 0) continue;
    faults.push_back(fmt::format("{} at {} keys: {} inputs object to a correct kernel", name,
                                 length, cell.designed_by));
  }
  return faults;
}

Result<PowerReport> StudyPower(const PowerStudyOptions& options, const PowerProgress& progress) {
  Eigen::setNbThreads(1);
  PowerReport report{.host = DescribeHost(), .options = options};
  const std::vector<Task> tasks = TasksOf(options);
  for (const auto& [feature, control] : kFeatures) {
    const bool run = std::any_of(tasks.begin(), tasks.end(),
                                 [&](const Task& task) { return task.control == control; });
    if (run) report.names.emplace_back(control);
  }
  for (const Mistake& mistake : Mistakes()) {
    const auto& wanted = options.mistakes;
    if (wanted.empty() || std::find(wanted.begin(), wanted.end(), mistake.name) != wanted.end()) {
      report.names.emplace_back(mistake.name);
    }
  }
  const auto start = std::chrono::steady_clock::now();
  Collector collector(tasks, &report, progress);
  std::vector<std::thread> threads;
  for (int n = 1; n < options.jobs; ++n) threads.emplace_back([&] { collector.Work(); });
  collector.Work();
  for (std::thread& thread : threads) thread.join();
  if (!collector.status().ok()) return collector.status();
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace attest
