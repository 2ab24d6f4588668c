// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "conformance/cli/backend_option.h"
#include "conformance/cli/backend_runner.h"
#include "conformance/cli/certify_plan.h"
#include "conformance/cli/engine.h"
#include "conformance/cli/interrupt.h"
#include "conformance/cli/subcommand.h"
#include "conformance/diagnose/explain.h"
#include "conformance/judge/self_check.h"
#include "conformance/report/certificate.h"
#include "conformance/report/console.h"
#include "conformance/report/run_directory.h"

namespace attest {
namespace {

using Records = std::map<std::string, Record>;  // by case id

std::vector<const Case*> CasesToRun(const CertifyPlan& plan, const Records& done) {
  std::vector<const Case*> cases;
  for (const CaseAccount& account : plan.accounts) {
    if (account.standing != Standing::kExpected || done.contains(account.value->id)) continue;
    cases.push_back(account.value);
  }
  return cases;
}

// Runs what is not in `records` yet and adds it there; journal first. True: all done; false:
// interrupted.
Result<bool> RunRest(const CertifyPlan& plan, Journal* journal, Records& records,
                     std::vector<std::string>& incidents) {
  const std::vector<const Case*> cases = CasesToRun(plan, records);
  const int jobs = std::clamp(static_cast<int>(cases.size()), 1, plan.jobs);
  BackendRunner runner(plan.backend, plan.session, plan.info, plan.claims, jobs);
  Progress progress(stderr, isatty(STDERR_FILENO) != 0, static_cast<int>(cases.size()));
  const InterruptGuard interrupt;
  const Status status = RunCases(
      cases, [&](int job, const Case& value) { return runner.Run(job, value); },
      [&](const Record& record) -> Status {
        if (journal != nullptr) {
          if (Status written = journal->Append(record); !written.ok()) return written;
        }
        records[record.case_id] = record;
        progress.Add(record);
        return {};
      },
      {.jobs = jobs, .stop = &interrupt.flag()});
  progress.Finish();
  incidents = runner.Incidents();
  if (!status.ok()) return status;
  return CasesToRun(plan, records).empty();
}

struct Outcome {
  Report report;
  Evidence evidence;
};

Outcome Conclude(const CertifyPlan& plan, const Records& records,
                 std::vector<std::string> incidents) {
  Outcome outcome;
  Report& report = outcome.report;
  report.info = plan.info;
  report.claims = plan.claims;
  report.incidents = std::move(incidents);
  report.accepted = plan.accepted;
  report.clauses = &plan.spec.clauses;
  for (const CaseAccount& account : plan.accounts) {
    const auto found = records.find(account.value->id);
    if (found != records.end()) report.records.push_back(found->second);
  }
  outcome.evidence.clauses = &plan.spec.clauses;
  outcome.evidence.of_drafter = !plan.info.drafter.file.empty();
  outcome.evidence.accept_problems = ApplyAccept(plan.accepted, plan.accounts, plan.spec.clauses,
                                                 std::string_view(plan.info.date).substr(0, 10),
                                                 plan.info.selection.partial(), report.records);
  report.summary = Summarise(plan.info.selection, plan.accounts, report.records, outcome.evidence);
  return outcome;
}

// The first failure of each set of clauses, `most` of them. A case that passes in a fresh process
// says nothing.
std::vector<CaseDiagnosis> DiagnoseFailures(const CertifyPlan& plan, const Report& report,
                                            int most) {
  std::vector<CaseDiagnosis> diagnoses;
  std::set<std::vector<std::string>> known;
  const std::vector<MutantEntry> catalogue = MutantCatalogue(plan.spec.clauses);
  for (const Failure& failure : FailuresOf(report)) {
    if (static_cast<int>(known.size()) >= most) break;
    if (failure.value == nullptr || failure.record.verdict == Verdict::kMissing) continue;
    if (!known.insert(failure.record.clauses).second) continue;
    const Result<std::unique_ptr<Session>> session = Session::Open(plan.backend, plan.session);
    if (!session.ok()) break;
    const RunOptions run{.seed = plan.info.seed, .arithmetic = plan.info.arithmetic};
    Result<Observation> failing = Observe(**session, *failure.value, run);
    if (!failing.ok() || !failing->wrong()) continue;
    const Explanation explained =
        Explain(**session, std::move(*failing), plan.spec.cases.cases,
                {.diagnosis = {.run = run}, .most_tried = 200, .minimise_named = false});
    diagnoses.push_back({failure.value->id, DiagnosisText(explained.diagnosis, catalogue)});
  }
  return diagnoses;
}

Status Publish(const CertifyFlags& flags, const CertifyPlan& plan, const Outcome& outcome) {
  if (!plan.directory.empty()) {
    const Status status = WriteRunDirectory(plan.directory, outcome.report, outcome.evidence);
    if (!status.ok()) return status;
  }
  if (flags.json) {
    const Result<std::string> text =
        CertificateText(CertificateOf(outcome.report, outcome.evidence, {}));
    if (!text.ok()) return text.status();
    fmt::print("{}", *text);
    return {};
  }
  fmt::print("{}", ConsoleText(outcome.report));
  if (!plan.directory.empty()) fmt::print("report: {}/{}\n", plan.directory, kReportFile);
  return {};
}

Result<ExitCode> RunCertify(const CertifyFlags& flags) {
  Result<CertifyPlan> plan = MakePlan(flags);
  if (!plan.ok()) return plan.status();
  if (Status status = JudgeSelfCheck(); !status.ok()) return status;
  std::unique_ptr<Journal> journal;  // none where nothing is written
  Records records;
  if (!plan->directory.empty()) {
    Result<std::unique_ptr<Journal>> opened =
        Journal::Open(plan->directory, HeaderOf(*plan), plan->resuming);
    if (!opened.ok()) return opened.status();
    journal = std::move(*opened);
    for (const Record& record : journal->found()) records[record.case_id] = record;
  }
  std::vector<std::string> incidents;
  const Result<bool> finished = RunRest(*plan, journal.get(), records, incidents);
  if (!finished.ok()) return finished.status();
  if (!*finished) {
    if (plan->directory.empty()) return EnvironmentError("interrupted; nothing was kept");
    return EnvironmentError(fmt::format("interrupted after {} cases; go on with: {}",
                                        records.size(), ResumeCommand(flags, *plan)));
  }
  if (journal != nullptr) {
    if (Status status = journal->Seal(); !status.ok()) return status;
  }
  Outcome outcome = Conclude(*plan, records, std::move(incidents));
  outcome.report.diagnoses = DiagnoseFailures(*plan, outcome.report, flags.diagnosed);
  if (Status status = Publish(flags, *plan, outcome); !status.ok()) return status;
  return ExitCodeOf(outcome.report.summary.verdict);
}

void DeclareFlags(CLI::App& app, CertifyFlags& flags) {
  AddBackendOption(app, flags.backend)->required();
  app.add_option("--drafter", flags.drafter,
                 "config.json of a drafter: certify for its problems instead of the suite's cases");
  app.add_option("--profile", flags.profiles, "only this profile; may be given again")
      ->expected(1)
      ->take_all();
  app.add_option("--tier", flags.tier, "smoke, ci or full (default: ci)");
  app.add_option("--seed", flags.seed, "seed of all inputs (default: 0)");
  app.add_option("--jobs", flags.jobs, "backends at work at once (default: one a core)");
  app.add_option("--filter", flags.filter, "only case ids like this glob; never certifies");
  app.add_option("--shard", flags.shard, "i/n: every n-th case; put together by 'attest merge'");
  app.add_option("--resume", flags.resume, "go on with an interrupted run, same options");
  app.add_option("--accept", flags.accept, "JSON file of failures that are accepted");
  app.add_option("--out", flags.out, "directory for report and certificate; absent or empty");
  app.add_option("--arithmetic", flags.arithmetic, "tighter class to judge by");
  app.add_option("--deadline-floor", flags.deadline_floor_s,
                 "least seconds that a call gets (default: 20)");
  app.add_option("--diagnose", flags.diagnosed,
                 "failures of different clauses that are diagnosed (default: 3)")
      ->check(CLI::Range(0, 1000));
  app.add_flag("--json", flags.json, "print the certificate as JSON");
}

}  // namespace

Subcommand CertifyCommand() {
  return {.name = "certify",
          .summary = "Judge a backend by every case inside its claims",
          .examples =
              "Examples:\n"
              "  attest certify --backend cpu --tier ci --out build/certificate\n"
              "  attest certify --backend ./libmine.so --profile causal --profile window\n"
              "  attest certify --backend cpu --shard 1/4 --out shard1\n"
              "  attest certify --backend cpu --filter 'masks/*'",
          .declare = [](CLI::App& app) -> Action {
            auto flags = std::make_shared<CertifyFlags>();
            DeclareFlags(app, *flags);
            return [flags] { return RunCertify(*flags); };
          }};
}

}  // namespace attest
