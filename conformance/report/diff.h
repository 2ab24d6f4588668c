// SPDX-License-Identifier: Apache-2.0
//
// What changed between two runs, case by case and clause by clause.
#ifndef ATTEST_CONFORMANCE_REPORT_DIFF_H_
#define ATTEST_CONFORMANCE_REPORT_DIFF_H_

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "conformance/run/record.h"

namespace attest {

enum class ChangeKind : std::uint8_t {
  kRegression,   // passed or was waived, and does not pass now
  kImprovement,  // did not pass, and passes now
  kOther,        // another verdict, neither better nor worse: fail -> crash, pass -> waived
  kGone,         // no record any more
  kNew,          // no record before
};
std::string_view Name(ChangeKind kind);  // "regression" "improvement" "other" "gone" "new"

struct CaseChange {
  std::string id;
  ChangeKind kind = ChangeKind::kOther;
  Verdict before = Verdict::kMissing;  // kMissing: no record
  Verdict after = Verdict::kMissing;
  bool redefined = false;  // the case itself changed its content
  std::vector<std::string> clauses;
  std::string reason;  // of the newer record
  std::string repro;
};

struct Diff {
  std::vector<CaseChange> changes;         // in order of id
  std::map<std::string, int> regressions;  // by clause
  int regressed = 0;
  int unchanged = 0;
};

// A pass that turned into a waiver is no regression: somebody wrote down a reason. A case that is
// gone is one iff `same_cases`, that is if both runs looked at the same case set: then the backend
// claims less than before.
Diff DiffRecords(const std::vector<Record>& before, const std::vector<Record>& after,
                 bool same_cases);

std::string DiffText(const Diff& diff);
nlohmann::ordered_json ToJson(const Diff& diff);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_REPORT_DIFF_H_
