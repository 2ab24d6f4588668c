// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "conformance/study/soundness.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

Json ToJson(const RatioCounts& counts) {
  return {{"median", counts.Quantile(0.5)},
          {"quantile_99", counts.Quantile(0.99)},
          {"max", counts.max()}};
}

Json ToJson(const GroupTally& group) {
  return {{"rows", group.rows.count()},
          {"violations", group.violations},
          {"output_element", ToJson(group.elements)},
          {"output_row", ToJson(group.rows)},
          {"lse", ToJson(group.lse)}};
}

std::string Trim(const std::string& text) {
  const std::size_t first = text.find_first_not_of(' ');
  const std::size_t last = text.find_last_not_of(' ');
  return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

std::string VerdictOf(const SoundnessReport& report) {
  const SoundnessTally& tally = report.tally;
  return fmt::format(
      "{} rows of {} cases judged, {} violations; largest error over bound: output {:.4f}, LSE "
      "{:.4f}",
      tally.rows(), tally.cases, report.violations.empty() ? 0 : tally.all.violations,
      tally.all.rows.max(), tally.all.lse.max());
}

std::string RestOf(const SoundnessTally& tally) {
  return fmt::format(
      "{} more rows see no key (their output is 0 exactly), {} see only keys whose scores are near "
      "-1e30, of which float32 knows no weight",
      tally.empty_rows, tally.left_out);
}

std::string Text(const SoundnessReport& report, const Violation& v) {
  const std::string where = v.column < 0 ? "LSE" : fmt::format("dim {}", v.column);
  return fmt::format("case {} row {} {}: expected {:.9g}, got {:.9g}, bound {:.3g} ({})\n  {}\n",
                     v.case_index, v.row, where, v.expected, v.got, v.bound, v.what,
                     ReplayLine(report.options, v));
}

// A table of text or of markdown, one group a line.
class Table {
 public:
  explicit Table(bool markdown) : markdown_(markdown) {}

  void Head(const std::string& what) {
    if (markdown_) {
      text_ += fmt::format(
          "\n| {} | rows | violations | output, median element | median row | max | LSE median | "
          "LSE max |\n|---|---|---|---|---|---|---|---|\n",
          what);
      return;
    }
    text_ += fmt::format("\n{:<52} {:>8} {:>5} {:>9} {:>9} {:>7} {:>9} {:>7}\n", what, "rows",
                         "out", "element", "row", "max", "LSE", "max");
  }
  void Line(const std::string& label, const GroupTally& g) {
    const auto format = markdown_
                            ? "| {} | {} | {} | {:.2g} | {:.2g} | {:.4f} | {:.2g} | {:.4f} |\n"
                            : "{:<52} {:>8} {:>5} {:>9.2g} {:>9.2g} {:>7.4f} {:>9.2g} {:>7.4f}\n";
    text_ += fmt::format(fmt::runtime(format), Trim(label), g.rows.count(), g.violations,
                         g.elements.Quantile(0.5), g.rows.Quantile(0.5), g.rows.max(),
                         g.lse.Quantile(0.5), g.lse.max());
  }
  const std::string& text() const { return text_; }

 private:
  bool markdown_;
  std::string text_;
};

std::string Tables(const SoundnessReport& report, bool markdown) {
  Table table(markdown);
  table.Head("all");
  table.Line("all", report.tally.all);
  for (const auto& [dimension, labels] : report.tally.groups) {
    table.Head(dimension);
    for (const auto& [label, group] : labels) table.Line(label, group);
  }
  return table.text();
}

std::string Command(const SoundnessOptions& options) {
  return fmt::format("attest study soundness --lines {} --seed {} --jobs {}", options.lines,
                     options.seed, options.jobs);
}

}  // namespace

std::string Describe(const SoundnessReport& report) {
  std::string text = Tables(report, false);
  text += fmt::format("\n{}\n{}\n", VerdictOf(report), RestOf(report.tally));
  for (const Violation& violation : report.violations) text += Text(report, violation);
  return text;
}

std::string ToMarkdown(const SoundnessReport& report) {
  return fmt::format("`{}`, {:.0f} s on {} ({} cores), {}, {}.\n\n{}. {}.\n{}",
                     Command(report.options), report.seconds, report.host.cpu, report.host.cores,
                     report.host.compiler, report.host.date, VerdictOf(report),
                     RestOf(report.tally), Tables(report, true));
}

std::string ToJsonText(const SoundnessReport& report) {
  Json json;
  json["machine"] = ToJson(report.host);
  json["command"] = Command(report.options);
  json["seed"] = report.options.seed;
  json["seconds"] = report.seconds;
  json["cases"] = report.tally.cases;
  json["empty_rows"] = report.tally.empty_rows;
  json["left_out"] = report.tally.left_out;
  json["all"] = ToJson(report.tally.all);
  for (const auto& [dimension, labels] : report.tally.groups) {
    for (const auto& [label, group] : labels) json["by"][dimension][Trim(label)] = ToJson(group);
  }
  json["violations"] = Json::array();
  for (const Violation& v : report.violations) {
    json["violations"].push_back({{"case", v.case_index},
                                  {"row", v.row},
                                  {"column", v.column},
                                  {"expected", v.expected},
                                  {"got", v.got},
                                  {"bound", v.bound},
                                  {"what", v.what},
                                  {"replay", ReplayLine(report.options, v)}});
  }
  return json.dump(1) + "\n";
}

}  // namespace attest
