// SPDX-License-Identifier: Apache-2.0
#include "conformance/report/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <utility>

namespace attest {
namespace {

constexpr std::string_view kCore = "core";

constexpr std::array kProfileVerdicts = {
    std::pair{ProfileVerdict::kNotClaimed, std::string_view("not claimed")},
    std::pair{ProfileVerdict::kConformant, std::string_view("conformant")},
    std::pair{ProfileVerdict::kConformantWithWaivers, std::string_view("conformant with waivers")},
    std::pair{ProfileVerdict::kNotConformant, std::string_view("not conformant")},
};

struct RunVerdictWords {
  RunVerdict verdict;
  std::string_view name;
  std::string_view sentence;
  ExitCode exit_code;
};
constexpr std::array kRunVerdicts = {
    RunVerdictWords{RunVerdict::kConformant, "conformant",
                    "Every claimed profile passed each of its expected cases.", ExitCode::kDone},
    RunVerdictWords{RunVerdict::kConformantWithWaivers, "conformant with waivers",
                    "Every claimed profile passed, except for the failures that are waived below.",
                    ExitCode::kDone},
    RunVerdictWords{RunVerdict::kNotConformant, "not conformant",
                    "At least one expected case did not pass.", ExitCode::kNotConformant},
    RunVerdictWords{RunVerdict::kNotClaimed, "not claimed",
                    "No case of any profile lies inside the claims, so nothing was certified.",
                    ExitCode::kNotConformant},
    RunVerdictWords{RunVerdict::kSmokePassed, "smoke passed",
                    "Not a certificate: tier smoke proves too little. Run tier ci or full for one.",
                    ExitCode::kDone},
    RunVerdictWords{RunVerdict::kPartialPassed, "partial passed",
                    "Not a certificate: only a part of the expected set was run, and it passed.",
                    ExitCode::kDone},
    RunVerdictWords{RunVerdict::kVoid, "void",
                    "The run says nothing about the backend: the suite itself is at fault.",
                    ExitCode::kVoid},
};

const RunVerdictWords& WordsOf(RunVerdict verdict) {
  return *std::find_if(kRunVerdicts.begin(), kRunVerdicts.end(),
                       [verdict](const auto& words) { return words.verdict == verdict; });
}

// The records by case, and what is wrong with them as a set.
struct Index {
  std::map<std::string, const Record*> by_id;
  std::vector<std::string> faults;
};

Index IndexRecords(const std::vector<CaseAccount>& accounts, const std::vector<Record>& records) {
  Index index;
  for (const Record& record : records) {
    if (!index.by_id.emplace(record.case_id, &record).second) {
      index.faults.push_back(fmt::format("two records of {}", record.case_id));
    }
  }
  std::set<std::string_view> expected;
  for (const CaseAccount& account : accounts) {
    if (account.standing != Standing::kExpected) continue;
    expected.insert(account.value->id);
    const auto found = index.by_id.find(account.value->id);
    if (found != index.by_id.end() && found->second->content_hash != account.value->content_hash) {
      index.faults.push_back(fmt::format(
          "the record of {} was made from another content of the case", account.value->id));
    }
  }
  for (const auto& [id, record] : index.by_id) {
    if (!expected.contains(id)) {
      index.faults.push_back(fmt::format("a record of {}, which is not expected", id));
    }
  }
  return index;
}

std::set<std::string_view> ShouldClauses(const Evidence& evidence) {
  std::set<std::string_view> ids;
  if (evidence.clauses == nullptr) return ids;
  for (const Clause& clause : *evidence.clauses) {
    if (!clause.must) ids.insert(clause.id);
  }
  return ids;
}

class Builder {
 public:
  Builder(const Selection& selection, const Evidence& evidence) : should_(ShouldClauses(evidence)) {
    for (const std::string& name : ProfileNames()) AddProfile(selection, name);
    AddProfile(selection, std::string(kCore));
  }

  void Count(Summary& summary, const CaseAccount& account, const Record* record) {
    switch (account.standing) {
      case Standing::kOutside:
        ++summary.outside;
        break;
      case Standing::kExcluded:
        ++summary.excluded;
        break;
      case Standing::kNotApplicable:
        ++summary.not_applicable;
        break;
      case Standing::kExpected:
        CountExpected(summary, account, record);
        break;
    }
    const Verdict verdict = record == nullptr ? Verdict::kMissing : record->verdict;
    for (ProfileSummary* profile : ProfilesOf(*account.value)) Count(*profile, account, verdict);
    for (const std::string& id : account.value->clauses) {
      ClauseSummary& clause = clauses_.try_emplace(id, ClauseSummary{.id = id}).first->second;
      ++clause.selected;
      if (account.standing == Standing::kExpected) clause.tally.Add(verdict);
    }
  }

  void Finish(Summary& summary) {
    for (ProfileSummary& profile : profiles_) profile.verdict = VerdictOf(profile);
    summary.profiles = profiles_;
    for (auto& [id, clause] : clauses_) summary.clauses.push_back(clause);
  }

 private:
  void AddProfile(const Selection& selection, const std::string& name) {
    const auto& wanted = selection.profiles;
    const bool requested = std::find(wanted.begin(), wanted.end(), name) != wanted.end();
    profiles_.push_back({.name = name,
                         .requested = requested,
                         .judged = wanted.empty() || requested || name == kCore});
  }

  static void CountExpected(Summary& summary, const CaseAccount& account, const Record* record) {
    const Verdict verdict = record == nullptr ? Verdict::kMissing : record->verdict;
    summary.tally.Add(verdict);
    if (verdict == Verdict::kMissing) summary.missing.push_back(account.value->id);
    if (record == nullptr) return;
    if (verdict == Verdict::kPass && record->note == "suspect") ++summary.suspects;
    if (!record->exposes.empty()) ++summary.certified;
    summary.exposed.insert(record->exposes.begin(), record->exposes.end());
    if (record->rows_judged == 0 || record->rows_judged >= record->rows_total) return;
    ++summary.sampled;
    summary.sampled_rows_judged += record->rows_judged;
    summary.sampled_rows_total += record->rows_total;
  }

  std::vector<ProfileSummary*> ProfilesOf(const Case& value) {
    std::vector<ProfileSummary*> found;
    for (ProfileSummary& profile : profiles_) {
      const bool member = std::find(value.profiles.begin(), value.profiles.end(), profile.name) !=
                          value.profiles.end();
      if (member || (value.profiles.empty() && profile.name == kCore)) found.push_back(&profile);
    }
    return found;
  }

  void Count(ProfileSummary& profile, const CaseAccount& account, Verdict verdict) {
    ++profile.selected;
    profile.outside += account.standing == Standing::kOutside ? 1 : 0;
    profile.excluded += account.standing == Standing::kExcluded ? 1 : 0;
    if (account.standing != Standing::kExpected) {
      if (profile.why_not_expected.empty()) profile.why_not_expected = account.reason;
      return;
    }
    profile.tally.Add(verdict);
    const bool passed = verdict == Verdict::kPass || verdict == Verdict::kWaived;
    if (!passed && IsAdvisory(*account.value)) ++profile.advisory;
    // A refusal says that a feature is not there, so it cannot claim the feature's profile.
    if (account.value->kind != CaseKind::kRefusal) claimed_.insert(profile.name);
  }

  bool IsAdvisory(const Case& value) const {
    return std::all_of(value.clauses.begin(), value.clauses.end(),
                       [this](const std::string& id) { return should_.contains(id); });
  }

  ProfileVerdict VerdictOf(const ProfileSummary& profile) const {
    if (profile.tally.NotPassed() > profile.advisory) return ProfileVerdict::kNotConformant;
    if (!claimed_.contains(profile.name)) return ProfileVerdict::kNotClaimed;
    return profile.tally.Of(Verdict::kWaived) > 0 ? ProfileVerdict::kConformantWithWaivers
                                                  : ProfileVerdict::kConformant;
  }

  std::set<std::string_view> should_;
  std::vector<ProfileSummary> profiles_;
  std::map<std::string, ClauseSummary> clauses_;
  std::set<std::string> claimed_;
};

// Lines that say why the run cannot be conformant; empty if it can.
std::vector<std::string> Obstacles(const Summary& summary, const Evidence& evidence) {
  std::vector<std::string> lines;
  for (const ProfileSummary& profile : summary.profiles) {
    if (!profile.judged) continue;
    if (profile.verdict == ProfileVerdict::kNotConformant) {
      lines.push_back(fmt::format("profile {}: {} of {} expected cases did not pass", profile.name,
                                  profile.tally.NotPassed(), profile.tally.Total()));
    } else if (profile.requested && profile.verdict == ProfileVerdict::kNotClaimed) {
      const std::string& why = profile.why_not_expected;
      lines.push_back(fmt::format("profile {}: requested, but not claimed{}{}", profile.name,
                                  why.empty() ? "" : ": ", why));
    }
  }
  const auto left_out = std::find_if(
      summary.accounts.begin(), summary.accounts.end(),
      [](const CaseAccount& account) { return account.standing != Standing::kExpected; });
  if (evidence.of_drafter && left_out != summary.accounts.end()) {
    lines.push_back(fmt::format("{} of {} problems of the drafter are not served: {}",
                                static_cast<int>(summary.accounts.size()) - summary.tally.Total(),
                                summary.accounts.size(), left_out->reason));
  }
  lines.insert(lines.end(), evidence.accept_problems.begin(), evidence.accept_problems.end());
  return lines;
}

bool AnyClaimed(const Summary& summary) {
  return std::any_of(summary.profiles.begin(), summary.profiles.end(), [](const auto& profile) {
    return profile.judged && profile.name != kCore &&
           profile.verdict != ProfileVerdict::kNotClaimed;
  });
}

RunVerdict Decide(const Summary& summary, bool obstacles) {
  if (summary.tally.Total() == 0) return RunVerdict::kNotClaimed;
  if (summary.selection.partial()) {
    return obstacles ? RunVerdict::kNotConformant : RunVerdict::kPartialPassed;
  }
  if (!AnyClaimed(summary) && summary.tally.NotPassed() == 0) return RunVerdict::kNotClaimed;
  if (obstacles) return RunVerdict::kNotConformant;
  if (summary.selection.tier == Tier::kSmoke) return RunVerdict::kSmokePassed;
  return summary.tally.Of(Verdict::kWaived) > 0 ? RunVerdict::kConformantWithWaivers
                                                : RunVerdict::kConformant;
}

}  // namespace

int Tally::Total() const { return std::accumulate(counts.begin(), counts.end(), 0); }

std::string Describe(const Tally& tally) {
  std::string text;
  for (const Verdict verdict : kAllVerdicts) {
    if (tally.Of(verdict) == 0) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", Name(verdict), tally.Of(verdict));
  }
  return text.empty() ? "none" : text;
}

std::string DescribeSampling(const Summary& summary) {
  if (summary.sampled == 0) return "none";
  const double percent = 100.0 * static_cast<double>(summary.sampled_rows_judged) /
                         static_cast<double>(summary.sampled_rows_total);
  return fmt::format("{} case{}, {:.2g}% of their rows", summary.sampled,
                     summary.sampled == 1 ? "" : "s", percent);
}

std::string DescribePower(const Summary& summary) {
  if (summary.certified == 0) return "none";
  return fmt::format("{} input{} sure to expose a mutant, {} mutant{} in all", summary.certified,
                     summary.certified == 1 ? "" : "s", summary.exposed.size(),
                     summary.exposed.size() == 1 ? "" : "s");
}

std::string DescribeExclusions(int excluded, int in_claims) {
  if (excluded == 0) return "none";
  return fmt::format("{} of {} cases inside the claims ({:.0f}%)", excluded, in_claims,
                     std::floor(100.0 * excluded / in_claims));
}

std::vector<std::string> ExclusionWarnings(const Summary& summary) {
  std::vector<std::string> lines;
  if (summary.verdict != RunVerdict::kConformant &&
      summary.verdict != RunVerdict::kConformantWithWaivers) {
    return lines;
  }
  for (const ProfileSummary& profile : summary.profiles) {
    if (!profile.judged || !profile.MostlyExcluded()) continue;
    lines.push_back(fmt::format("profile {}: the backend excluded {}; only {} ran", profile.name,
                                DescribeExclusions(profile.excluded, profile.InClaims()),
                                profile.tally.Total()));
  }
  return lines;
}

std::string Headline(const Summary& summary) {
  return fmt::format("{}{}", Name(summary.verdict),
                     ExclusionWarnings(summary).empty() ? "" : ", with exclusions");
}

std::string_view Name(ProfileVerdict verdict) {
  return kProfileVerdicts[static_cast<std::size_t>(verdict)].second;
}

std::optional<ProfileVerdict> ParseProfileVerdict(std::string_view name) {
  for (const auto& [verdict, word] : kProfileVerdicts) {
    if (word == name) return verdict;
  }
  return std::nullopt;
}

std::string_view VerdictWord(const ProfileSummary& profile) {
  if (profile.name != kCore || profile.tally.Total() == 0) return Name(profile.verdict);
  return profile.verdict == ProfileVerdict::kNotConformant ? "not passed" : "passed";
}

std::string_view Name(RunVerdict verdict) { return WordsOf(verdict).name; }
std::string_view Sentence(RunVerdict verdict) { return WordsOf(verdict).sentence; }
ExitCode ExitCodeOf(RunVerdict verdict) { return WordsOf(verdict).exit_code; }

std::optional<RunVerdict> ParseRunVerdict(std::string_view name) {
  for (const RunVerdictWords& words : kRunVerdicts) {
    if (words.name == name) return words.verdict;
  }
  return std::nullopt;
}

Summary Summarise(const Selection& selection, std::vector<CaseAccount> accounts,
                  const std::vector<Record>& records, const Evidence& evidence) {
  Summary summary;
  summary.selection = selection;
  const Index index = IndexRecords(accounts, records);
  Builder builder(selection, evidence);
  for (const CaseAccount& account : accounts) {
    const auto found = index.by_id.find(account.value->id);
    builder.Count(summary, account, found == index.by_id.end() ? nullptr : found->second);
  }
  builder.Finish(summary);
  summary.accounts = std::move(accounts);

  std::vector<std::string> faults = evidence.faults;
  faults.insert(faults.end(), index.faults.begin(), index.faults.end());
  if (const int mistrusted = summary.tally.Of(Verdict::kMistrusted); mistrusted > 0) {
    faults.push_back(fmt::format("{} mistrusted case{}: the case could not show what it claims to",
                                 mistrusted, mistrusted == 1 ? "" : "s"));
  }
  if (!faults.empty()) {
    summary.verdict = RunVerdict::kVoid;
    summary.because = std::move(faults);
    return summary;
  }
  summary.because = Obstacles(summary, evidence);
  summary.verdict = Decide(summary, !summary.because.empty());
  if (summary.tally.Total() == 0) summary.because.emplace_back("nothing was executed");
  return summary;
}

}  // namespace attest
