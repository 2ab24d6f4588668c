// SPDX-License-Identifier: Apache-2.0
#include "conformance/report/junit.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <string_view>

#include "conformance/report/markup.h"

namespace attest {
namespace {

struct Suite {
  int tests = 0;
  int failures = 0;
  int errors = 0;
  int skipped = 0;
  std::string body;
};

std::string Detail(const Record& record, const std::string& diagnosis) {
  return EscapeMarkup(fmt::format("{}\nclauses: {}\nreplay: {}{}{}", record.reason,
                                  fmt::join(record.clauses, ", "), record.repro,
                                  diagnosis.empty() ? "" : "\n", diagnosis));
}

void AddProblem(Suite& suite, const Record& record, const std::string& diagnosis,
                std::string_view element) {
  ++(element == "failure" ? suite.failures : suite.errors);
  suite.body +=
      fmt::format("      <{0} type=\"{1}\" message=\"{2}\">{3}</{0}>\n", element,
                  Name(record.verdict), EscapeMarkup(record.reason), Detail(record, diagnosis));
}

void AddSkipped(Suite& suite, std::string_view message) {
  ++suite.skipped;
  suite.body += fmt::format("      <skipped message=\"{}\"/>\n", EscapeMarkup(message));
}

void AddOutcome(Suite& suite, const Record& record, const std::string& diagnosis) {
  switch (record.verdict) {
    case Verdict::kPass:
      return;
    case Verdict::kWaived:
      return AddSkipped(suite, "waived: " + record.waiver);
    case Verdict::kFail:
    case Verdict::kRefused:
      return AddProblem(suite, record, diagnosis, "failure");
    default:
      return AddProblem(suite, record, diagnosis, "error");
  }
}

// `record` is there for every expected case.
void AddCase(Suite& suite, const Report& report, const CaseAccount& account, const Record* record) {
  ++suite.tests;
  suite.body += fmt::format("    <testcase classname=\"{}.{}\" name=\"{}\">\n",
                            EscapeMarkup(account.value->topic), EscapeMarkup(account.value->slug),
                            EscapeMarkup(account.value->id));
  if (account.standing != Standing::kExpected) {
    AddSkipped(suite, fmt::format("{}: {}", Name(account.standing), account.reason));
  } else {
    AddOutcome(suite, *record, DiagnosisOf(report, account.value->id));
  }
  suite.body += "    </testcase>\n";
}

std::string Properties(const Report& report) {
  const std::pair<std::string_view, std::string> properties[] = {
      {"attest.verdict", std::string(Name(report.summary.verdict))},
      {"attest.suite", report.info.suite_version},
      {"attest.case_set", report.info.case_set_digest},
      {"attest.backend", report.info.backend},
      {"attest.seed", fmt::format("{}", report.info.seed)},
      {"attest.tier", std::string(Name(report.info.selection.tier))},
  };
  std::string text = "    <properties>\n";
  for (const auto& [name, value] : properties) {
    text += fmt::format("      <property name=\"{}\" value=\"{}\"/>\n", name, EscapeMarkup(value));
  }
  return text + "    </properties>\n";
}

}  // namespace

std::string JUnitText(const Report& report) {
  std::map<std::string_view, const Record*> by_id;
  for (const Record& record : report.records) by_id[record.case_id] = &record;
  const std::vector<Failure> failures = FailuresOf(report);  // holds the missing ones too
  for (const Failure& failure : failures) by_id[failure.record.case_id] = &failure.record;
  std::map<std::string, Suite> suites;
  Suite all;
  for (const CaseAccount& account : report.summary.accounts) {
    const auto found = by_id.find(account.value->id);
    AddCase(suites[account.value->topic], report, account,
            found == by_id.end() ? nullptr : found->second);
  }
  std::string body;
  for (const auto& [topic, suite] : suites) {
    body += fmt::format(
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\">\n",
        EscapeMarkup(topic), suite.tests, suite.failures, suite.errors, suite.skipped);
    body += Properties(report) + suite.body + "  </testsuite>\n";
    all.tests += suite.tests;
    all.failures += suite.failures;
    all.errors += suite.errors;
    all.skipped += suite.skipped;
  }
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"attest\" tests=\"{}\" "
      "failures=\"{}\" errors=\"{}\" skipped=\"{}\">\n{}</testsuites>\n",
      all.tests, all.failures, all.errors, all.skipped, body);
}

}  // namespace attest
