// SPDX-License-Identifier: Apache-2.0
#include "spec/vocabulary/clause.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>

namespace attest {
namespace {

std::vector<std::string> SplitBy(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    if (end != 0) parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

bool IsClauseId(std::string_view id) {
  const std::size_t dash = id.find('-');
  if (dash == std::string_view::npos || dash == 0 || id.size() != dash + 3) return false;
  const auto upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  return std::all_of(id.begin(), id.begin() + static_cast<std::ptrdiff_t>(dash), upper) &&
         std::all_of(id.begin() + static_cast<std::ptrdiff_t>(dash) + 1, id.end(), digit);
}

// Reads one file line by line; `error_` is the first thing that is wrong.
class Reader {
 public:
  explicit Reader(std::string_view name)
      : name_(name),
        topic_(name.substr(name.rfind('/') + 1, name.rfind('.') - name.rfind('/') - 1)) {}

  void Line(std::string_view line) {
    ++line_;
    if (line.starts_with("## ")) {
      Finish();
      Heading(line.substr(3));
    } else if (clauses_.empty()) {
      return;  // the free text before the first clause
    } else if (line.starts_with("- Source: ")) {
      clauses_.back().sources.emplace_back(line.substr(10));
    } else if (line.starts_with("- Deviation ")) {
      DeviationLine(line.substr(12));
    } else if (in_sentence_) {
      Sentence(line);
    }
  }

  void Finish() {
    in_sentence_ = false;
    if (clauses_.empty()) return;
    const Clause& last = clauses_.back();
    if (last.sentence.empty()) Fail(heading_line_, fmt::format("{} has no sentence", last.id));
    if (last.sources.empty()) Fail(heading_line_, fmt::format("{} has no source", last.id));
  }

  Result<std::vector<Clause>> Take() {
    if (!error_.empty()) return BadInput(error_);
    return std::move(clauses_);
  }

 private:
  void Fail(int line, const std::string& message) {
    if (error_.empty()) error_ = fmt::format("{}:{}:1: {}", name_, line, message);
  }

  void Heading(std::string_view heading) {
    heading_line_ = line_;
    in_sentence_ = true;
    const std::vector<std::string> words = SplitBy(heading, ' ');
    const bool reserved = words.size() == 4 && words[3] == "reserved";
    const bool configuration = words.size() == 4 && words[3] == "configuration";
    clauses_.emplace_back();
    Clause& clause = clauses_.back();
    clause.topic = topic_;
    if (words.size() != 3 && !reserved && !configuration) {
      return Fail(line_, "a clause heading is \"## ID LEVEL PROFILES [reserved|configuration]\"");
    }
    clause.id = words[0];
    clause.must = words[1] == "MUST";
    clause.reserved = reserved;
    clause.configuration = configuration;
    clause.profiles = SplitBy(words[2], ',');
    if (!IsClauseId(clause.id)) Fail(line_, fmt::format("\"{}\" is no clause id", clause.id));
    if (!clause.must && words[1] != "SHOULD") {
      Fail(line_, fmt::format("\"{}\" is neither MUST nor SHOULD", words[1]));
    }
    for (const std::string& profile : clause.profiles) {
      const auto& known = ProfileNames();
      if (profile != "core" && std::find(known.begin(), known.end(), profile) == known.end()) {
        Fail(line_, fmt::format("\"{}\" is no profile", profile));
      }
    }
    if (!ids_.insert(clause.id).second) Fail(line_, fmt::format("{} stands twice", clause.id));
  }

  void Sentence(std::string_view line) {
    std::string& sentence = clauses_.back().sentence;
    if (line.empty()) {
      in_sentence_ = sentence.empty();
      return;
    }
    sentence += fmt::format("{}{}", sentence.empty() ? "" : " ", line);
  }

  // `name`: sentence
  void DeviationLine(std::string_view rest) {
    const std::size_t end = rest.find("`: ");
    if (!rest.starts_with("`") || end == std::string_view::npos) {
      return Fail(line_, "a deviation is \"- Deviation `name`: sentence\"");
    }
    const std::string name(rest.substr(1, end - 1));
    const bool kebab = std::all_of(name.begin(), name.end(), [](unsigned char c) {
      return std::islower(c) != 0 || std::isdigit(c) != 0 || c == '-';
    });
    if (!kebab) Fail(line_, fmt::format("\"{}\" is no kebab-case name", name));
    clauses_.back().deviations.push_back({name, std::string(rest.substr(end + 3))});
  }

  std::string_view name_;
  std::string topic_;
  std::vector<Clause> clauses_;
  std::set<std::string> ids_;
  std::string error_;
  int line_ = 0;
  int heading_line_ = 0;
  bool in_sentence_ = false;
};

}  // namespace

const std::vector<std::string>& ProfileNames() {
  static const std::vector<std::string> kNames = {
      "causal",  "non-causal", "encoder-only", "cross", "window",          "scores", "kv-quant",
      "layouts", "mla",        "tree",         "graph", "batch-invariant", "dflash"};
  return kNames;
}

Result<std::vector<Clause>> ParseClauses(std::string_view name, std::string_view text) {
  Reader reader(name);
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    reader.Line(line);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  reader.Finish();
  return reader.Take();
}

}  // namespace attest
