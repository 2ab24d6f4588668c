// SPDX-License-Identifier: Apache-2.0
//
// From the expected set and the records to the verdicts of profiles and of the run. A pure
// function: certify, merge and verify all derive their verdict here.
#ifndef ATTEST_CONFORMANCE_REPORT_SUMMARY_H_
#define ATTEST_CONFORMANCE_REPORT_SUMMARY_H_

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "conformance/judge/verdict.h"
#include "conformance/report/accounting.h"
#include "conformance/report/selection.h"
#include "conformance/run/record.h"
#include "spec/vocabulary/clause.h"

namespace attest {

// How many expected cases ended in each verdict.
struct Tally {
  std::array<int, kAllVerdicts.size()> counts{};

  void Add(Verdict verdict) { ++counts[static_cast<std::size_t>(verdict)]; }
  int Of(Verdict verdict) const { return counts[static_cast<std::size_t>(verdict)]; }
  int Total() const;
  int NotPassed() const { return Total() - Of(Verdict::kPass) - Of(Verdict::kWaived); }
  bool operator==(const Tally&) const = default;
};
// "pass 12, fail 3"; "none" for nothing.
std::string Describe(const Tally& tally);

enum class ProfileVerdict : std::uint8_t {
  kNotClaimed,             // no expected case
  kConformant,             // each expected case passed
  kConformantWithWaivers,  // each expected case passed or is waived
  kNotConformant,
};
// "not claimed" "conformant" "conformant with waivers" "not conformant"
std::string_view Name(ProfileVerdict verdict);
std::optional<ProfileVerdict> ParseProfileVerdict(std::string_view name);

// A case belongs to every profile of a clause that it cites. Cases that cite core clauses only
// belong to none; they are summed up under the name "core" and count for every profile.
struct ProfileSummary {
  std::string name;
  ProfileVerdict verdict = ProfileVerdict::kNotClaimed;
  bool requested = false;  // named by --profile
  bool judged = true;      // false: other profiles were requested and this one was not
  int selected = 0;        // cases, expected or not
  int outside = 0;
  int excluded = 0;
  std::string why_not_expected;  // of the first case outside the claims or excluded
  Tally tally;
  int advisory = 0;  // not passed, but all cited clauses say SHOULD, so nothing follows
  // Cases that the claims cover: those that were expected and those that the backend excluded.
  int InClaims() const { return tally.Total() + excluded; }
  bool MostlyExcluded() const { return 2 * excluded > InClaims(); }
  bool operator==(const ProfileSummary&) const = default;
};
// "490 of 500 cases inside the claims (98%)"; "none".
std::string DescribeExclusions(int excluded, int in_claims);

// The verdict's name; for "core", which nobody claims, "passed", "not passed" or "not claimed".
std::string_view VerdictWord(const ProfileSummary& profile);

struct ClauseSummary {
  std::string id;
  int selected = 0;
  Tally tally;
  bool operator==(const ClauseSummary&) const = default;
};

enum class RunVerdict : std::uint8_t {
  kConformant,
  kConformantWithWaivers,
  kNotConformant,
  kNotClaimed,     // nothing that counts for a profile was executed
  kSmokePassed,    // all well, in a tier that proves too little
  kPartialPassed,  // all well, in a part of the expected set
  kVoid,           // the run says nothing: our own fault
};
// "conformant" "conformant with waivers" "not conformant" "not claimed" "smoke passed"
// "partial passed" "void"
std::string_view Name(RunVerdict verdict);
std::optional<RunVerdict> ParseRunVerdict(std::string_view name);
// One sentence for people: what the verdict does and does not say.
std::string_view Sentence(RunVerdict verdict);
ExitCode ExitCodeOf(RunVerdict verdict);

// What the verdict follows from besides cases and records.
struct Evidence {
  const std::vector<Clause>* clauses = nullptr;  // levels; absent: all MUST
  std::vector<std::string> accept_problems;      // each fails the run: conformance/report/accept.h
  std::vector<std::string> faults;               // of ours; each voids the run
  // The cases are the problems of one drafter: a backend that leaves some out does not serve it.
  bool of_drafter = false;
};

struct Summary {
  RunVerdict verdict = RunVerdict::kNotClaimed;
  std::vector<std::string> because;  // one line each: what keeps the run from conformant
  Selection selection;
  std::vector<CaseAccount> accounts;  // in case order
  Tally tally;
  int suspects = 0;               // passes with the note "suspect"
  int certified = 0;              // cases whose input was certified to expose a mutant
  std::set<std::string> exposed;  // the mutants that certificates name
  int sampled = 0;                // cases too long to judge in every row
  std::int64_t sampled_rows_judged = 0;
  std::int64_t sampled_rows_total = 0;
  int outside = 0;
  int excluded = 0;
  int not_applicable = 0;
  std::vector<ProfileSummary> profiles;  // in the order of ProfileNames(), then "core"
  std::vector<ClauseSummary> clauses;    // cited by a selected case, in order of id
  std::vector<std::string> missing;      // ids
};

// "2093 inputs sure to expose a mutant, 161 mutants in all"; "none" without certificates.
std::string DescribePower(const Summary& summary);

// "12 cases, 3.1% of their rows"; "none" where every row was judged.
std::string DescribeSampling(const Summary& summary);

// The verdict for the first page: its name, and ", with exclusions" where it is a good one although
// the backend excluded more than half of what it claims of some profile.
std::string Headline(const Summary& summary);
// One line for each such profile; empty where the headline is the plain name.
std::vector<std::string> ExclusionWarnings(const Summary& summary);

// `records` in any order. A record that nobody expects, a second record of a case, and a record of
// other content than the case has today are faults: they void the run.
Summary Summarise(const Selection& selection, std::vector<CaseAccount> accounts,
                  const std::vector<Record>& records, const Evidence& evidence);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_REPORT_SUMMARY_H_
