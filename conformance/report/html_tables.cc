// SPDX-License-Identifier: Apache-2.0
//
// The tables of report.html: by profile, by clause, and what was not expected.
#include <fmt/format.h>

#include <cmath>
#include <map>

#include "conformance/report/html_parts.h"
#include "conformance/report/markup.h"

namespace attest {
namespace {

std::string ExcludedCell(const ProfileSummary& profile) {
  std::string text = FormatCount(profile.excluded);
  if (profile.excluded == 0) return text;
  text += fmt::format(" ({:.0f}%)", std::floor(100.0 * profile.excluded / profile.InClaims()));
  return profile.MostlyExcluded() ? "<b>" + text + "</b>" : text;
}

// A count stays on one line with its word; lines break between words.
std::string TallyCell(const Tally& tally) {
  std::string text;
  char before = ',';
  for (const char c : Describe(tally)) {
    if (c == ' ' && before != ',') {
      text += "&nbsp;";
    } else {
      text += c;
    }
    before = c;
  }
  return text;
}

std::string ProfileRow(const ProfileSummary& profile) {
  const bool unjudged = !profile.judged;
  std::string notes;
  if (profile.requested) notes += "requested. ";
  if (profile.advisory > 0) notes += fmt::format("{} of SHOULD clauses only. ", profile.advisory);
  if (profile.name == "core") notes += "Cases of core clauses only; they count for every profile.";
  return fmt::format(
      "<tr><td><b>{}</b></td><td>{}</td><td class='n'>{}</td><td>{}</td><td class='n'>{}</td>"
      "<td class='n'>{}</td><td class='soft'>{}</td></tr>\n",
      profile.name, HtmlBadge(unjudged ? "not requested" : VerdictWord(profile)),
      FormatCount(profile.tally.Total()), TallyCell(profile.tally), FormatCount(profile.outside),
      ExcludedCell(profile), notes);
}

std::string_view ClauseBadge(const Tally& tally) {
  if (tally.Total() == 0) return "not claimed";
  if (tally.NotPassed() > 0) return "not passed";
  return tally.Of(Verdict::kWaived) > 0 ? "waived" : "pass";
}

std::string ClauseRow(const Report& report, const ClauseSummary& summary) {
  const Clause* clause = FindClause(report, summary.id);
  return fmt::format(
      "<tr id='{0}'><td class='mono'><b>{0}</b></td><td>{1}</td><td>{2}</td><td>{3}</td>"
      "<td class='n'>{4}</td><td>{5}</td></tr>\n",
      EscapeMarkup(summary.id), clause == nullptr || clause->must ? "MUST" : "SHOULD",
      ProseMarkup(clause == nullptr ? "" : clause->sentence), HtmlBadge(ClauseBadge(summary.tally)),
      FormatCount(summary.tally.Total()), TallyCell(summary.tally));
}

}  // namespace

std::string HtmlProfiles(const Report& report) {
  std::string text =
      "<h2 id='profiles'>By profile</h2>\n<table><thead><tr><th>Profile</th><th>Verdict</th>"
      "<th class='n'>Expected</th><th>Verdicts</th><th class='n'>Outside</th>"
      "<th class='n'>Excluded</th><th></th></tr></thead><tbody>\n";
  for (const ProfileSummary& profile : report.summary.profiles) {
    // Nobody claims "core": without a case in it there is nothing to say of it.
    if (profile.name == "core" && profile.tally.Total() == 0) continue;
    if (profile.selected > 0 || profile.requested) text += ProfileRow(profile);
  }
  return text + "</tbody></table>\n";
}

std::string HtmlClauses(const Report& report) {
  std::string text =
      "<h2 id='clauses'>By clause</h2>\n<table><thead><tr><th>Clause</th><th>Level</th>"
      "<th>Promise</th><th>Verdict</th><th class='n'>Expected</th><th>Verdicts</th></tr></thead>"
      "<tbody>\n";
  for (const ClauseSummary& clause : report.summary.clauses) text += ClauseRow(report, clause);
  return text + "</tbody></table>\n";
}

std::string HtmlUnexpected(const Report& report) {
  std::map<std::pair<Standing, std::string>, std::vector<std::string>> reasons;
  for (const CaseAccount& account : report.summary.accounts) {
    if (account.standing == Standing::kExpected) continue;
    reasons[{account.standing, account.reason}].push_back(account.value->id);
  }
  std::string text = "<h2 id='not-expected'>Not expected of this backend</h2>\n";
  if (reasons.empty()) return text + "<p>Every selected case was expected.</p>\n";
  for (const auto& [key, ids] : reasons) {
    text += fmt::format("<details><summary><b>{}</b> {}: {}</summary><p class='mono'>",
                        FormatCount(static_cast<long long>(ids.size())), Name(key.first),
                        EscapeMarkup(key.second));
    for (const std::string& id : ids) text += EscapeMarkup(id) + "<br>";
    text += "</p></details>\n";
  }
  return text;
}

}  // namespace attest
