// SPDX-License-Identifier: Apache-2.0
#include "conformance/report/console.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <string_view>
#include <vector>

#include "conformance/report/markup.h"

namespace attest {
namespace {

constexpr std::size_t kFailuresShown = 20;
constexpr int kFailureLines = 20;  // while running
constexpr auto kRedraw = std::chrono::milliseconds(100);

std::string Duration(double seconds) {
  const auto whole = static_cast<long long>(seconds + 0.5);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}:{:02} min", whole / 60, whole % 60);
  return fmt::format("{}:{:02} h", whole / 3600, whole / 60 % 60);
}

std::string Head(const Report& report) {
  const RunInfo& info = report.info;
  const Summary& summary = report.summary;
  std::string text =
      fmt::format("attest {}, backend {} ({} {}), tier {}, seed {}, arithmetic {}\n",
                  info.suite_version, info.backend, report.claims.name, report.claims.version,
                  Name(info.selection.tier), info.seed, info.arithmetic.name);
  if (!info.drafter.file.empty()) {
    text += fmt::format("the problems of the drafter {}\n", info.drafter.file);
  }
  text +=
      fmt::format("{} cases: {} expected, {} outside the claims, {} excluded, {} not applicable\n",
                  FormatCount(static_cast<long long>(summary.accounts.size())),
                  FormatCount(summary.tally.Total()), FormatCount(summary.outside),
                  FormatCount(summary.excluded), FormatCount(summary.not_applicable));
  if (summary.sampled > 0)
    text += fmt::format("judged by a sample of rows: {}\n", DescribeSampling(summary));
  if (summary.certified > 0) text += fmt::format("power: {}\n", DescribePower(summary));
  if (summary.suspects > 0) text += fmt::format("passed, but suspect: {}\n", summary.suspects);
  std::vector<std::string> reasons;  // several exclusions may have one
  for (const Exclusion& exclusion : report.claims.exclusions) {
    if (std::find(reasons.begin(), reasons.end(), exclusion.reason) != reasons.end()) continue;
    reasons.push_back(exclusion.reason);
    text += fmt::format("excluded by the backend: {}\n", exclusion.reason);
  }
  for (const std::string& incident : report.incidents) {
    text += fmt::format("incident, no case lost: {}\n", incident);
  }
  return text;
}

std::string ProfileTable(const Summary& summary) {
  std::string text;
  std::vector<std::string> not_claimed;
  for (const ProfileSummary& profile : summary.profiles) {
    if (!profile.judged || profile.selected == 0) continue;
    if (profile.tally.Total() == 0) {
      // Nobody claims "core": without a case in it there is nothing to say of it.
      if (profile.name != "core") not_claimed.push_back(profile.name);
      continue;
    }
    text += fmt::format(
        "  {:<16} {:<24} {}{}{}\n", profile.name, VerdictWord(profile), Describe(profile.tally),
        profile.advisory > 0 ? fmt::format(" ({} of SHOULD clauses only)", profile.advisory) : "",
        profile.excluded > 0
            ? "; excluded: " + DescribeExclusions(profile.excluded, profile.InClaims())
            : "");
  }
  if (!not_claimed.empty()) {
    text += fmt::format("  not claimed: {}\n", fmt::join(not_claimed, ", "));
  }
  return text;
}

std::string FailureList(const Report& report) {
  const std::vector<Failure> failures = FailuresOf(report);
  std::string text;
  for (std::size_t i = 0; i < std::min(failures.size(), kFailuresShown); ++i) {
    const Record& record = failures[i].record;
    text += fmt::format("\n{}: {} [{}]\n  {}\n  {}\n", Name(record.verdict), record.case_id,
                        fmt::join(record.clauses, ", "), record.reason, record.repro);
    const std::string diagnosis = DiagnosisOf(report, record.case_id);
    if (!diagnosis.empty())
      text += fmt::format("  {}\n", diagnosis.substr(0, diagnosis.find('\n')));
  }
  if (failures.size() > kFailuresShown) {
    text += fmt::format("\n... and {} more\n", failures.size() - kFailuresShown);
  }
  return text;
}

std::string WaiverList(const Report& report) {
  std::string text;
  for (const Record& record : report.records) {
    if (record.verdict != Verdict::kWaived) continue;
    text += fmt::format("waived: {}: {}\n", record.case_id, record.waiver);
  }
  return text;
}

std::string Upper(std::string_view text) {
  std::string upper(text);
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return upper;
}

}  // namespace

std::string ConsoleText(const Report& report) {
  std::string text = Head(report) + "\n" + ProfileTable(report.summary);
  text += FailureList(report);
  if (const std::string waivers = WaiverList(report); !waivers.empty()) text += "\n" + waivers;
  text +=
      fmt::format("\n{}: {}\n", Upper(Headline(report.summary)), Sentence(report.summary.verdict));
  for (const std::string& line : ExclusionWarnings(report.summary)) {
    text += fmt::format("  {}\n", line);
  }
  for (const std::string& line : report.summary.because) text += fmt::format("  {}\n", line);
  return text;
}

std::string ProgressLine(int done, int total, int not_passed, double seconds) {
  std::string line = fmt::format("{}/{} cases", done, total);
  if (not_passed > 0) line += fmt::format(", {} not passed", not_passed);
  if (done > 0 && seconds > 0) {
    const double rate = done / seconds;
    line += fmt::format(", {:.1f}/s", rate);
    if (done < total) line += fmt::format(", {} left", Duration((total - done) / rate));
  }
  return line;
}

Progress::Progress(std::FILE* stream, bool terminal, int total)
    : stream_(stream),
      terminal_(terminal),
      total_(total),
      start_(std::chrono::steady_clock::now()),
      drawn_(start_ - kRedraw) {}

double Progress::Seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void Progress::Add(const Record& record) {
  ++done_;
  if (record.verdict != Verdict::kPass && ++not_passed_ <= kFailureLines) {
    fmt::print(stream_, "{}{}: {}: {}\n", terminal_ ? "\r\x1b[K" : "", Name(record.verdict),
               record.case_id, record.reason);
  }
  const auto now = std::chrono::steady_clock::now();
  if (terminal_ && (now - drawn_ >= kRedraw || done_ == total_)) {
    fmt::print(stream_, "\r\x1b[K{}", ProgressLine(done_, total_, not_passed_, Seconds()));
    std::fflush(stream_);
    drawn_ = now;
  }
  const int tenths = static_cast<int>(10LL * done_ / std::max(total_, 1));
  if (!terminal_ && tenths > tenths_) {
    fmt::print(stream_, "{}\n", ProgressLine(done_, total_, not_passed_, Seconds()));
    std::fflush(stream_);
    tenths_ = tenths;
  }
}

void Progress::Finish() {
  if (terminal_ && done_ > 0) fmt::print(stream_, "\n");
}

}  // namespace attest
