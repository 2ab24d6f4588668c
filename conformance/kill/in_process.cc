// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "conformance/judge/power.h"
#include "conformance/judge/power_case.h"
#include "conformance/judge/sample_rows.h"
#include "conformance/kill/matrix.h"
#include "conformance/run/in_parallel.h"

namespace attest {
namespace {

constexpr std::size_t kBatch = 16;  // cases between two looks at who is still alive
constexpr std::size_t kFewLines = 6;
constexpr std::size_t kManyLines = 96;
constexpr std::size_t kAllLines = 4096;
constexpr double kAllBudget = 0x1p25;   // multiply-adds of one mutant on all lines of a case
constexpr double kMostJudged = 0x1p26;  // of the expectation of all rows
constexpr std::size_t kKept = 3;        // cases that are named for each mutant

// No number of theirs is wrong: what they compute cannot be told in this process.
bool IsToldByNumbers(const Mutant& mutant) {
  const Hooks& hooks = mutant.hooks;
  return hooks.no_arithmetic.empty() || hooks.slot != nullptr || hooks.write != nullptr ||
         hooks.merge != nullptr || hooks.of_graphs() || hooks.copy != CopyFault::kNone;
}

// What one case has to say.
struct Outcome {
  std::vector<std::size_t> killed;  // numbers of kills
  std::size_t tried = 0;
  bool idle = false;
  bool unfair = false;
  std::string broken;
};

class CaseTrial {
 public:
  CaseTrial(const Case& value, const CaseInputs& inputs, const Expected& expected, bool all_lines)
      : value_(value),
        inputs_(inputs),
        expected_(expected),
        all_lines_(all_lines),
        trial_(TrialOf(value, inputs, expected, Options(all_lines))) {}

  bool Kills(const Mutant& mutant) const {
    if (!IsToldByNumbers(mutant)) return false;
    if (all_lines_) return trial_(mutant, kAllLines);
    return trial_(mutant, kFewLines) || trial_(mutant, kManyLines);
  }

  bool FailsFaithful() const {
    const bool rows = value_.kind != CaseKind::kWriteKv && value_.kind != CaseKind::kMerge;
    return rows && trial_(*FindMutant(""), kFewLines);
  }

  // No mutant of a cited clause is exposed, though some are.
  bool IsIdle() const {
    for (const std::string& id : ExposedMutants(value_, inputs_, expected_, {})) {
      if (ClaimsToKill(value_, *FindMutant(id))) return false;
    }
    return true;
  }

 private:
  static PowerOptions Options(bool all_lines) {
    PowerOptions options{.fresh = true};
    if (all_lines) options.budget = kAllBudget;
    return options;
  }

  const Case& value_;
  const CaseInputs& inputs_;
  const Expected& expected_;
  bool all_lines_;
  Trial trial_;
};

Outcome TryCase(const Case& value, const std::vector<MutantKill>& kills,
                const std::vector<std::size_t>& alive, bool all_lines) {
  Outcome outcome;
  if (value.kind == CaseKind::kRefusal || value.kind == CaseKind::kInvalid) return outcome;
  const Result<CaseInputs> inputs = PowerInputs(value);
  if (!inputs.ok()) return {.broken = inputs.status().message()};
  const Result<Expected> expected = PowerExpectation(
      value, *inputs,
      all_lines ? SampleRows(value.problem, kMostJudged, 0) : PowerRows(value.problem));
  if (!expected.ok()) return {.broken = expected.status().message()};
  const CaseTrial trial(value, *inputs, *expected, all_lines);
  for (const std::size_t number : alive) {
    if (!ClaimsToKill(value, *kills[number].mutant)) continue;
    ++outcome.tried;
    if (trial.Kills(*kills[number].mutant)) outcome.killed.push_back(number);
  }
  if (all_lines) return outcome;
  outcome.unfair = trial.FailsFaithful();
  outcome.idle = outcome.killed.empty() && trial.IsIdle();
  return outcome;
}

std::vector<std::size_t> Alive(const KillMatrix& matrix) {
  std::vector<std::size_t> alive;
  for (std::size_t n = 0; n < matrix.kills.size(); ++n) {
    if (matrix.kills[n].killed_by.empty()) alive.push_back(n);
  }
  return alive;
}

void Enter(const Case& value, const Outcome& outcome, KillMatrix& matrix) {
  matrix.tried += outcome.tried;
  for (const std::size_t number : outcome.killed) {
    std::vector<const Case*>& killers = matrix.kills[number].killed_by;
    if (killers.size() < kKept) killers.push_back(&value);
  }
  if (outcome.idle) matrix.idle.push_back(value.id);
  if (outcome.unfair) matrix.unfair.push_back(value.id);
  if (!outcome.broken.empty()) matrix.broken.push_back(value.id + ": " + outcome.broken);
}

bool ClaimsAny(const Case& value, const KillMatrix& matrix,
               const std::vector<std::size_t>& numbers) {
  return std::any_of(numbers.begin(), numbers.end(), [&](std::size_t n) {
    return IsToldByNumbers(*matrix.kills[n].mutant) && ClaimsToKill(value, *matrix.kills[n].mutant);
  });
}

}  // namespace

void KillInProcess(const std::vector<const Case*>& cases, const KillOptions& options,
                   bool all_lines, KillMatrix& matrix) {
  const bool alone = !options.mutant.empty();
  for (std::size_t first = 0; first < cases.size(); first += kBatch) {
    const std::vector<std::size_t> alive = Alive(matrix);
    std::vector<const Case*> batch;
    for (std::size_t n = first; n < std::min(first + kBatch, cases.size()); ++n) {
      if ((all_lines || alone) && !ClaimsAny(*cases[n], matrix, alive)) continue;
      batch.push_back(cases[n]);
    }
    std::vector<Outcome> outcomes(batch.size());
    InParallel(batch.size(), options.jobs, [&](std::size_t n) {
      outcomes[n] = TryCase(*batch[n], matrix.kills, alive, all_lines);
    });
    for (std::size_t n = 0; n < batch.size(); ++n) Enter(*batch[n], outcomes[n], matrix);
    if (options.progress) {
      options.progress(all_lines ? "cases, all lines" : "cases",
                       std::min(first + kBatch, cases.size()), cases.size());
    }
  }
  if (alone) matrix.idle.clear();
}

}  // namespace attest
