// SPDX-License-Identifier: Apache-2.0
//
// The first screen of report.html.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <utility>

#include "conformance/report/html_parts.h"
#include "conformance/report/markup.h"

namespace attest {
namespace {

struct Look {
  std::string_view mark;
  std::string_view style;
};

Look LookOf(RunVerdict verdict) {
  switch (verdict) {
    case RunVerdict::kConformant:
      return {"✔", "good"};
    case RunVerdict::kConformantWithWaivers:
      return {"✔", "odd"};
    case RunVerdict::kNotConformant:
      return {"✘", "bad"};
    case RunVerdict::kNotClaimed:
      return {"–", "odd"};
    case RunVerdict::kSmokePassed:
    case RunVerdict::kPartialPassed:
      return {"◐", "odd"};
    case RunVerdict::kVoid:
      return {"?", "bad"};
  }
  return {"?", "bad"};
}

std::string Capital(std::string_view text) {
  std::string word(text);
  if (!word.empty() && word[0] >= 'a' && word[0] <= 'z') word[0] = static_cast<char>(word[0] - 32);
  return word;
}

std::string Counts(const Summary& summary) {
  std::string text = "<div class='counts'>";
  const auto box = [&](std::string_view name, long long count) {
    text += fmt::format("<div{}><b>{}</b><span>{}</span></div>", count == 0 ? " class='zero'" : "",
                        FormatCount(count), name);
  };
  for (const Verdict verdict : kAllVerdicts) box(Name(verdict), summary.tally.Of(verdict));
  return text + "</div>\n";
}

std::string Digest(const std::string& digest) {
  return digest.empty() ? "–" : fmt::format("<code>{}</code>", EscapeMarkup(digest));
}

std::string ArithmeticWords(const Arithmetic& arithmetic) {
  std::string text = fmt::format("<b>{}</b>", EscapeMarkup(arithmetic.name));
  for (const auto& [name, value] : arithmetic.overrides) {
    text += fmt::format(", {} = {}", EscapeMarkup(name), FormatNumber(value));
  }
  return text;
}

std::string ArithmeticFact(const Report& report) {
  if (report.info.arithmetic == report.claims.arithmetic) {
    return ArithmeticWords(report.info.arithmetic) + ", as claimed";
  }
  return fmt::format("{} (claimed: {})", ArithmeticWords(report.info.arithmetic),
                     ArithmeticWords(report.claims.arithmetic));
}

std::string SelectionFact(const RunInfo& info) {
  const Selection& selection = info.selection;
  std::string text = fmt::format("tier <b>{}</b>", Name(selection.tier));
  if (!selection.profiles.empty()) {
    text += fmt::format(", profiles requested: {}", fmt::join(selection.profiles, ", "));
  }
  if (!info.drafter.file.empty()) {
    text += fmt::format(", the problems of the drafter <code>{}</code>",
                        EscapeMarkup(info.drafter.file));
  }
  if (!selection.filter.empty()) {
    text += fmt::format(", only ids like <code>{}</code>", EscapeMarkup(selection.filter));
  }
  if (selection.shard.count > 1) {
    text += fmt::format(", shard {} of {}", selection.shard.index, selection.shard.count);
  }
  return text;
}

std::string ExpectedFact(const Summary& summary) {
  return fmt::format("{} of {} cases ({} outside the claims, {} excluded, {} not applicable)",
                     FormatCount(summary.tally.Total()),
                     FormatCount(static_cast<long long>(summary.accounts.size())),
                     FormatCount(summary.outside), FormatCount(summary.excluded),
                     FormatCount(summary.not_applicable));
}

std::string RefusalsFact(const Report& report) {
  const int refused = report.summary.tally.Of(Verdict::kRefused);
  if (refused == 0) return "none inside the claims";
  return fmt::format("<b>{}</b> inside the claims; each one fails", refused);
}

std::string WaiversFact(const Report& report) {
  if (report.accepted.empty()) return "none";
  return fmt::format("<b>{}</b> cases waived by <a href='#waivers'>{} entries</a>",
                     report.summary.tally.Of(Verdict::kWaived), report.accepted.size());
}

std::string RangeWords(const std::vector<IntRange>& ranges) {
  std::string text;
  for (const IntRange& range : ranges) {
    if (!text.empty()) text += ", ";
    text += fmt::format("{}", range.first);
    if (range.last > range.first) text += fmt::format("–{}", range.last);
    if (range.step > 1 && range.last > range.first) text += fmt::format(" by {}", range.step);
  }
  return text.empty() ? "none" : text;
}

std::string DTypeWords(const std::vector<DType>& dtypes) {
  std::string text;
  for (const DType dtype : dtypes)
    text += fmt::format("{}{}", text.empty() ? "" : ", ", Name(dtype));
  return text.empty() ? "none" : text;
}

std::string FeatureChips(std::uint64_t features, bool claimed) {
  std::string text;
  for (const FeatureName& feature : FeatureNames()) {
    if (((features & feature.bit) != 0) != claimed) continue;
    text += fmt::format("<span class='chip{}'>{}</span>", claimed ? "" : " no", feature.name);
  }
  return text.empty() ? "none" : text;
}

std::string ExclusionWords(const Exclusion& exclusion) {
  std::string text = exclusion.features == 0 ? "" : DescribeFeatures(exclusion.features);
  const auto add = [&](std::string_view name, std::string_view value) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, value);
  };
  if (exclusion.query_dtype != DType::kNone) add("query", Name(exclusion.query_dtype));
  if (exclusion.cache_dtype != DType::kNone) add("cache", Name(exclusion.cache_dtype));
  if (exclusion.head_dim_qk != 0) add("head_dim_qk", fmt::format("{}", exclusion.head_dim_qk));
  return text;
}

std::string ExclusionFact(const Claims& claims) {
  if (claims.exclusions.empty()) return "none";
  std::string text;
  for (const Exclusion& exclusion : claims.exclusions) {
    text += fmt::format("<div><b>{}</b>: {}</div>", EscapeMarkup(ExclusionWords(exclusion)),
                        EscapeMarkup(exclusion.reason));
  }
  return text;
}

std::string GraphWords(int level) {
  constexpr std::array kWords = {"not offered", "single-token batches", "uniform batches",
                                 "always"};
  return level >= 0 && level < static_cast<int>(kWords.size()) ? kWords[level] : "unknown";
}

}  // namespace

std::string HtmlFact(std::string_view name, std::string_view value) {
  return fmt::format("<tr><th scope='row'>{}</th><td>{}</td></tr>\n", name, value);
}

std::string HtmlBadge(std::string_view verdict) {
  if (verdict == "pass" || verdict == "passed" || verdict == "conformant") {
    return fmt::format("<span class='badge good'>✔ {}</span>", verdict);
  }
  if (verdict == "waived" || verdict == "conformant with waivers") {
    return fmt::format("<span class='badge odd'>◐ {}</span>", verdict);
  }
  if (verdict == "not claimed" || verdict == "not requested") {
    return fmt::format("<span class='badge none'>{}</span>", verdict);
  }
  return fmt::format("<span class='badge bad'>✘ {}</span>", verdict);
}

std::string HtmlVerdict(const Report& report) {
  const Summary& summary = report.summary;
  Look look = LookOf(summary.verdict);
  if (!ExclusionWarnings(summary).empty()) look = {"◐", "odd"};
  std::string text = fmt::format(
      "<section class='verdict {}'><div class='mark' aria-hidden='true'>{}</div><div>"
      "<div class='word'>{}</div><p>{}</p>",
      look.style, look.mark, Capital(Headline(summary)), Sentence(summary.verdict));
  std::vector<std::string> lines = ExclusionWarnings(summary);
  lines.insert(lines.end(), summary.because.begin(), summary.because.end());
  if (!lines.empty()) {
    text += "<ul>";
    for (const std::string& line : lines) {
      text += fmt::format("<li>{}</li>", EscapeMarkup(line));
    }
    text += "</ul>";
  }
  return text + "</div></section>\n" + Counts(summary);
}

std::string HtmlFacts(const Report& report) {
  const RunInfo& info = report.info;
  const Claims& claims = report.claims;
  std::string text = "<table class='facts'><tbody>\n";
  text +=
      HtmlFact("Backend", fmt::format("<b>{}</b> {} · {}", EscapeMarkup(claims.name),
                                      EscapeMarkup(claims.version), EscapeMarkup(claims.vendor)));
  text += HtmlFact("Asked for as", fmt::format("<code>{}</code>", EscapeMarkup(info.backend)));
  text += HtmlFact("Device", EscapeMarkup(claims.device_name));
  text += HtmlFact("Run", SelectionFact(info));
  text += HtmlFact("Expected", ExpectedFact(report.summary));
  text += HtmlFact("Sampled", DescribeSampling(report.summary));
  if (report.summary.certified > 0) {
    text += HtmlFact("Power", DescribePower(report.summary));
  }
  if (report.summary.suspects > 0) {
    text += HtmlFact("Suspect", fmt::format("{} passed with a suspicion", report.summary.suspects));
  }
  text += HtmlFact("Refusals", RefusalsFact(report));
  for (const std::string& incident : report.incidents) {
    text += HtmlFact("Incident", EscapeMarkup(incident) + "; no case was lost by it");
  }
  text += HtmlFact("Waivers", WaiversFact(report));
  text += HtmlFact("Arithmetic", ArithmeticFact(report));
  text += HtmlFact("Seed", fmt::format("{}", info.seed));
  text += HtmlFact("Date", EscapeMarkup(info.date));
  for (const HostInfo& host : info.hosts) {
    text += HtmlFact("Host", fmt::format("{}, {} cores, {}", EscapeMarkup(host.processor),
                                         host.cores, EscapeMarkup(host.system)));
  }
  text += HtmlFact("Library", Digest(info.backend_sha256));
  text += HtmlFact("Suite", fmt::format("attest {}, ABI {}", EscapeMarkup(info.suite_version),
                                        EscapeMarkup(info.abi_version)));
  text += HtmlFact("Case set", Digest(info.case_set_digest));
  return text + "</tbody></table>\n";
}

std::string HtmlClaims(const Report& report) {
  const Claims& claims = report.claims;
  std::string text = "<table class='facts'><tbody>\n";
  text += HtmlFact("Claims", FeatureChips(claims.features, true));
  text += HtmlFact("Does not claim", FeatureChips(claims.features, false));
  text += HtmlFact("Exclusions", ExclusionFact(claims));
  text += HtmlFact("Query dtypes", DTypeWords(claims.query_dtypes));
  text += HtmlFact("Cache dtypes", DTypeWords(claims.cache_dtypes));
  text += HtmlFact("Output dtypes", DTypeWords(claims.output_dtypes));
  text += HtmlFact("Head dims", RangeWords(claims.head_dims));
  text += HtmlFact("Group sizes", RangeWords(claims.group_sizes));
  text += HtmlFact("Block sizes", RangeWords(claims.block_sizes));
  text += HtmlFact("Graphs", GraphWords(claims.graph_level));
  return text + "</tbody></table>\n";
}

std::string HtmlWaivers(const Report& report) {
  if (report.accepted.empty()) return {};
  std::string text =
      "<h2 id='waivers'>Waivers</h2>\n<table><thead><tr><th>Accepts</th><th>Reason</th>"
      "<th>Link</th><th>Until</th></tr></thead><tbody>\n";
  for (const AcceptEntry& entry : report.accepted) {
    text += fmt::format(
        "<tr><td>{} <code>{}</code></td><td>{}</td><td class='mono'>{}</td><td>{}</td></tr>\n",
        entry.cases.empty() ? "deviation" : "case",
        EscapeMarkup(entry.cases.empty() ? entry.deviation : entry.cases),
        EscapeMarkup(entry.reason), EscapeMarkup(entry.link), EscapeMarkup(entry.expires));
  }
  text += "</tbody></table>\n<details><summary>Waived cases</summary><table><tbody>\n";
  for (const Record& record : report.records) {
    if (record.verdict != Verdict::kWaived) continue;
    text += fmt::format("<tr><td class='mono'>{}</td><td>{}</td></tr>\n",
                        EscapeMarkup(record.case_id), EscapeMarkup(record.waiver));
  }
  return text + "</tbody></table></details>\n";
}

}  // namespace attest
