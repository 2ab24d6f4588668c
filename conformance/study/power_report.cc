// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "conformance/study/power.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

int Percent(int part, int all) { return all == 0 ? 0 : (100 * part + all / 2) / all; }

std::string FieldText(const PowerCell& cell) {
  std::string text;
  for (std::size_t rule = 0; rule < kPowerRules.size(); ++rule) {
    text += fmt::format("{}{}", rule == 0 ? "" : "/", Percent(cell.seen[rule], cell.trials));
  }
  return text;
}

std::string DesignedText(const PowerCell& cell) {
  if (cell.designed_trials == 0) return "-";
  const int percent = Percent(cell.designed_seen, cell.designed_trials);
  return cell.designed_seen == 0 ? "0" : fmt::format("{} ({})", percent, cell.designed_by);
}

template <typename Text>
std::string Table(const PowerReport& report, bool markdown, Text text) {
  const auto cell = [markdown](const std::string& what, bool first) {
    if (markdown) return fmt::format("| {} ", what);
    return first ? fmt::format("{:<40}", what) : fmt::format(" {:<34}", what);
  };
  const std::string end = markdown ? "|\n" : "\n";
  std::string table = cell("mistake", true);
  for (const std::int64_t length : report.options.lengths) {
    table += cell(std::to_string(length), false);
  }
  table += end;
  if (markdown) {
    for (std::size_t n = 0; n <= report.options.lengths.size(); ++n) table += "|---";
    table += end;
  }
  for (const std::string& name : report.names) {
    table += cell(name, true);
    for (const std::int64_t length : report.options.lengths) {
      const auto found = report.cells.find({name, length});
      table += cell(found == report.cells.end() ? "-" : text(found->second), false);
    }
    table += end;
  }
  return table;
}

std::string RulesText() {
  std::string text;
  for (const std::string_view rule : kPowerRules)
    text += (text.empty() ? "" : " / ") + std::string(rule);
  return text;
}

std::string TrialsText(const PowerReport& report) {
  std::string text;
  for (const std::int64_t length : report.options.lengths) {
    for (const std::string& name : report.names) {
      const auto found = report.cells.find({name, length});
      if (found == report.cells.end()) continue;
      text += fmt::format("{}{} at {}", text.empty() ? "" : ", ", found->second.trials, length);
      break;
    }
  }
  return text;
}

std::string Body(const PowerReport& report, bool markdown) {
  std::string text = fmt::format(
      "Percent of trials in which a rule objects, on normal inputs: {}. Trials: {}.\n\n{}\n",
      RulesText(), TrialsText(report), Table(report, markdown, FieldText));
  text += fmt::format(
      "Percent of trials in which the suite objects on its designed inputs, and which of them did "
      "first.\n\n{}\n",
      Table(report, markdown, DesignedText));
  const std::vector<std::string> faults = report.Faults();
  if (faults.empty()) {
    return text +
           "Designed inputs see every mistake at every length; no rule of the suite objects "
           "to a correct kernel.\n";
  }
  for (const std::string& fault : faults)
    text += fmt::format("{}{}\n", markdown ? "- " : "", fault);
  return text;
}

std::string Command(const PowerStudyOptions& options) {
  std::string command =
      fmt::format("attest study power --lengths {} --trials {} --seed {} --jobs {}",
                  fmt::join(options.lengths, ","), options.trials, options.seed, options.jobs);
  for (const std::string& mistake : options.mistakes) {
    command += fmt::format(" --mistake '{}'", mistake);
  }
  return command;
}

}  // namespace

std::string Describe(const PowerReport& report) { return Body(report, false); }

std::string ToMarkdown(const PowerReport& report) {
  return fmt::format("`{}`, {:.0f} s on {} ({} cores), {}, {}.\n\n{}", Command(report.options),
                     report.seconds, report.host.cpu, report.host.cores, report.host.compiler,
                     report.host.date, Body(report, true));
}

std::string ToJsonText(const PowerReport& report) {
  Json json;
  json["machine"] = ToJson(report.host);
  json["command"] = Command(report.options);
  json["seed"] = report.options.seed;
  json["seconds"] = report.seconds;
  json["rules"] = kPowerRules;
  json["cells"] = Json::array();
  for (const std::string& name : report.names) {
    for (const std::int64_t length : report.options.lengths) {
      const auto found = report.cells.find({name, length});
      if (found == report.cells.end()) continue;
      const PowerCell& cell = found->second;
      json["cells"].push_back({{"mistake", name},
                               {"length", length},
                               {"trials", cell.trials},
                               {"seen", cell.seen},
                               {"designed_trials", cell.designed_trials},
                               {"designed_seen", cell.designed_seen},
                               {"designed_by", cell.designed_by}});
    }
  }
  json["faults"] = report.Faults();
  return json.dump(1) + "\n";
}

}  // namespace attest
