// SPDX-License-Identifier: Apache-2.0
#include "conformance/study/naming.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>

#include "conformance/diagnose/explain.h"
#include "conformance/judge/power.h"
#include "conformance/mutants/mutant.h"
#include "conformance/run/in_parallel.h"
#include "conformance/run/run_case.h"

namespace attest {
namespace {

constexpr int kMostTried = 200;        // to make a case small
constexpr std::size_t kSmallest = 80;  // cases of a clause that are tried first
constexpr std::size_t kLargest = 40;   // and then, for mistakes that only long calls show

// Of smoke and ci, the small ones of each first.
std::vector<const Case*> SuspectsOf(const std::vector<Case>& cases, const Mutant& mutant) {
  std::vector<const Case*> suspects;
  for (const Tier tier : {Tier::kSmoke, Tier::kCi}) {
    std::vector<const Case*> citing;
    for (const Case& value : cases) {
      if (value.tier == tier && ClaimsToKill(value, mutant)) citing.push_back(&value);
    }
    std::stable_sort(citing.begin(), citing.end(), [](const Case* a, const Case* b) {
      return MultiplyAdds(a->problem) < MultiplyAdds(b->problem);
    });
    for (std::size_t n = 0; n < citing.size(); ++n) {
      if (n < kSmallest || n + kLargest >= citing.size()) suspects.push_back(citing[n]);
    }
  }
  return suspects;
}

std::size_t Count(const std::vector<Naming>& all, bool (Naming::*is)() const) {
  return static_cast<std::size_t>(
      std::count_if(all.begin(), all.end(), [is](const Naming& one) { return (one.*is)(); }));
}

}  // namespace

Naming NameMutant(const Mutant& mutant, const std::vector<const Case*>& suspects,
                  const std::vector<Case>& cases, bool unlisted) {
  Naming naming{.id = std::string(mutant.id), .bug_class = std::string(mutant.bug_class)};
  const Result<BackendSpec> spec = ResolveBackend("mutant:" + naming.id);
  if (!spec.ok()) return naming;
  const Result<std::unique_ptr<Session>> opened = Session::Open(*spec, {});
  if (!opened.ok()) return naming;
  Session& session = **opened;
  const RunOptions run{.arithmetic = session.claims().arithmetic};
  for (const Case* value : suspects) {
    if (!ExpectationOf(session.claims(), *value).expected) continue;
    if (RunCase(session, *value, run).verdict == Verdict::kPass) continue;
    // A mistake that shows only after other calls may not show in a fresh process.
    Result<Observation> failing = Observe(session, *value, run);
    if (!failing.ok() || !failing->wrong()) continue;
    ExplainOptions options{
        .diagnosis = {.run = run}, .most_tried = kMostTried, .minimise_named = false};
    if (unlisted) options.diagnosis.without = mutant.id;
    const Diagnosis diagnosis = Explain(session, std::move(*failing), cases, options).diagnosis;
    naming.case_id = value->id;
    naming.named_class = diagnosis.bug_class;
    for (const Hypothesis& one : diagnosis.named) naming.named.emplace_back(one.mutant->id);
    naming.experiments = diagnosis.experiments;
    break;
  }
  return naming;
}

bool Naming::id_right() const { return std::find(named.begin(), named.end(), id) != named.end(); }

std::size_t NamingReport::failing() const {
  return static_cast<std::size_t>(std::count_if(
      mutants.begin(), mutants.end(), [](const Naming& one) { return !one.case_id.empty(); }));
}
std::size_t NamingReport::class_right() const { return Count(mutants, &Naming::class_right); }
std::size_t NamingReport::class_wrong() const { return Count(mutants, &Naming::class_wrong); }
std::size_t NamingReport::id_right() const { return Count(mutants, &Naming::id_right); }

Result<NamingReport> StudyNaming(const NamingOptions& options,
                                 const std::function<void(std::size_t, std::size_t)>& progress) {
  const Result<CaseSet> cases = LoadCases();
  if (!cases.ok()) return InternalError(cases.status().message());
  std::vector<const Mutant*> mutants;
  for (const Mutant& mutant : Mutants()) {
    const bool wanted = options.mutants.empty() ||
                        std::find(options.mutants.begin(), options.mutants.end(), mutant.id) !=
                            options.mutants.end();
    if (!mutant.clause.empty() && wanted) mutants.push_back(&mutant);
  }
  NamingReport report{.host = DescribeHost(), .options = options};
  report.mutants.resize(mutants.size());
  const auto start = std::chrono::steady_clock::now();
  std::mutex mutex;
  std::size_t done = 0;
  InParallel(mutants.size(), options.jobs, [&](std::size_t at) {
    const Mutant& mutant = *mutants[at];
    report.mutants[at] =
        NameMutant(mutant, SuspectsOf(cases->cases, mutant), cases->cases, options.unlisted);
    const std::lock_guard lock(mutex);
    ++done;
    if (progress) progress(done, mutants.size());
  });
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace attest
