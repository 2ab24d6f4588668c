// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "conformance/study/naming.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

std::string Command(const NamingOptions& options) {
  return fmt::format("attest study naming{} --jobs {}", options.unlisted ? " --unlisted" : "",
                     options.jobs);
}

double Percent(std::size_t part, std::size_t whole) {
  return whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

std::string Summary(const NamingReport& report) {
  const std::size_t all = report.failing();
  return fmt::format(
      "{} of {} mutants fail a case of their clause. Of these the class is right for {:.1f} %, the "
      "mutant (alone or among some that nothing tells apart) for {:.1f} %; the class is wrong for "
      "{:.1f} %, and none is named for {:.1f} %.",
      all, report.mutants.size(), Percent(report.class_right(), all),
      Percent(report.id_right(), all), Percent(report.class_wrong(), all),
      Percent(all - report.class_right() - report.class_wrong(), all));
}

// [true class][named class or ""] -> mutants.
std::map<std::string, std::map<std::string, int>> Confusion(const NamingReport& report) {
  std::map<std::string, std::map<std::string, int>> counts;
  for (const Naming& one : report.mutants) {
    if (!one.case_id.empty()) ++counts[one.bug_class][one.named_class];
  }
  return counts;
}

std::string WrongOnes(const NamingReport& report) {
  std::string text;
  for (const Naming& one : report.mutants) {
    if (!one.class_wrong()) continue;
    text += fmt::format("- wrong: {} ({}) was called {} ({}) by {}\n", one.id, one.bug_class,
                        fmt::join(one.named, ", "), one.named_class, one.case_id);
  }
  return text;
}

std::string FaultLines(const NamingReport& report) {
  std::string text;
  for (const std::string& fault : report.Faults()) text += fmt::format("- {}\n", fault);
  return text;
}

}  // namespace

std::vector<std::string> NamingReport::Faults() const {
  std::vector<std::string> faults;
  const std::size_t all = failing();
  if (all == 0) faults.emplace_back("no mutant failed a case");
  const auto least = [&](const char* what, std::size_t part, double promised) {
    if (Percent(part, all) >= promised) return;
    faults.push_back(
        fmt::format("{} for {:.1f} %, promised {}", what, Percent(part, all), promised));
  };
  if (!options.unlisted) {
    least("the class is right", class_right(), 85.0);
    least("the mutant is right", id_right(), 60.0);
  }
  if (Percent(class_wrong(), all) > 3.0) {
    faults.push_back(fmt::format("the class is wrong for {:.1f} %, promised at most 3",
                                 Percent(class_wrong(), all)));
  }
  return faults;
}

std::string Describe(const NamingReport& report) {
  std::string text = Summary(report) + "\n\n";
  text +=
      fmt::format("{:<28}{:>8}{:>8}{:>8}  called instead\n", "class", "mutants", "right", "none");
  for (const auto& [name, row] : Confusion(report)) {
    int all = 0;
    std::vector<std::string> wrong;
    for (const auto& [named, count] : row) {
      all += count;
      if (!named.empty() && named != name) wrong.push_back(fmt::format("{} {}", count, named));
    }
    const auto of = [&row = row](const std::string& named) {
      const auto found = row.find(named);
      return found == row.end() ? 0 : found->second;
    };
    text += fmt::format("{:<28}{:>8}{:>8}{:>8}  {}\n", name, all, of(name), of(""),
                        fmt::join(wrong, ", "));
  }
  return text + "\n" + WrongOnes(report) + FaultLines(report);
}

std::string ToMarkdown(const NamingReport& report) {
  const auto confusion = Confusion(report);
  std::set<std::string> columns;
  for (const auto& [name, row] : confusion) {
    columns.insert(name);
    for (const auto& [named, count] : row) columns.insert(named);
  }
  columns.erase("");
  std::string text = fmt::format(
      "`{}`, {:.0f} s on {} ({} cores), {}, {}.\n\n{}\n\n", Command(report.options), report.seconds,
      report.host.cpu, report.host.cores, report.host.compiler, report.host.date, Summary(report));
  // Numbers head the columns: nineteen names would not fit.
  text += "| | class | none |";
  for (std::size_t n = 1; n <= columns.size(); ++n) text += fmt::format(" {} |", n);
  text += "\n|---|---|---|";
  for (std::size_t n = 0; n < columns.size(); ++n) text += "---|";
  text += "\n";
  std::size_t line = 0;
  for (const std::string& name : columns) {
    const auto row = confusion.find(name);
    const auto at = [&](const std::string& named) {
      if (row == confusion.end()) return std::string();
      const auto found = row->second.find(named);
      return found == row->second.end() ? std::string() : fmt::format("{}", found->second);
    };
    text += fmt::format("| {} | {} | {} |", ++line, name, at(""));
    for (const std::string& named : columns) text += fmt::format(" {} |", at(named));
    text += "\n";
  }
  return text + "\n" + WrongOnes(report) + FaultLines(report);
}

std::string ToJsonText(const NamingReport& report) {
  Json mutants = Json::array();
  for (const Naming& one : report.mutants) {
    mutants.push_back({{"id", one.id},
                       {"class", one.bug_class},
                       {"case", one.case_id},
                       {"diagnosed", {{"class", one.named_class}, {"ids", one.named}}},
                       {"experiments", one.experiments}});
  }
  const Json json = {{"machine", ToJson(report.host)},
                     {"command", Command(report.options)},
                     {"seconds", report.seconds},
                     {"failing", report.failing()},
                     {"class_right", report.class_right()},
                     {"mutant_right", report.id_right()},
                     {"class_wrong", report.class_wrong()},
                     {"faults", report.Faults()},
                     {"mutants", mutants}};
  return json.dump(1) + "\n";
}

}  // namespace attest
