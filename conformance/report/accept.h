// SPDX-License-Identifier: Apache-2.0
//
// Known failures that a user accepts on purpose (--accept FILE). An entry must be needed: one that
// matches nothing, has expired, or whose case passes, fails the run.
#ifndef ATTEST_CONFORMANCE_REPORT_ACCEPT_H_
#define ATTEST_CONFORMANCE_REPORT_ACCEPT_H_

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "conformance/report/accounting.h"
#include "conformance/run/record.h"
#include "spec/vocabulary/clause.h"
#include "spec/vocabulary/status.h"

namespace attest {

// Exactly one of `cases` and `deviation` is set.
struct AcceptEntry {
  std::string cases;      // id or glob: every expected case that it matches must fail
  std::string deviation;  // name: at least one expected case of the clause that owns it must fail,
                          // with a wrong answer; a crash is no deviation
  std::string reason;
  std::string link;
  std::string expires;  // YYYY-MM-DD, the last day on which it holds
  bool operator==(const AcceptEntry&) const = default;
};

// {"accept": [{"case" | "deviation", "reason", "link", "expires"}]}. Bad input begins with
// file:line:column.
Result<std::vector<AcceptEntry>> ParseAccept(std::string_view file, const std::string& text);
nlohmann::ordered_json ToJson(const AcceptEntry& entry);
// `path` is the key path for messages.
Result<AcceptEntry> AcceptEntryFromJson(const nlohmann::ordered_json& json,
                                        const std::string& path);

// Names of deviations that no clause has; a user's typing error.
Status CheckDeviations(const std::vector<AcceptEntry>& entries, const std::vector<Clause>& clauses);

// Turns failing records that an entry names into waived ones and returns one line for each entry
// that fails the run. `today` is YYYY-MM-DD. In a part of the expected set (`partial`) an entry may
// find nothing to match. Records that are waived already count as failing, so that applying the
// same entries again changes nothing.
std::vector<std::string> ApplyAccept(const std::vector<AcceptEntry>& entries,
                                     const std::vector<CaseAccount>& accounts,
                                     const std::vector<Clause>& clauses, std::string_view today,
                                     bool partial, std::vector<Record>& records);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_REPORT_ACCEPT_H_
