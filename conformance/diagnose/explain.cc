// SPDX-License-Identifier: Apache-2.0
#include "conformance/diagnose/explain.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "conformance/diagnose/class_of_needs.h"
#include "conformance/diagnose/match.h"
#include "spec/cases/case_json.h"

namespace attest {
namespace {

// "exact" and "bound" are two ways to see the same wrong number.
bool SameRule(const std::string& a, const std::string& b) {
  const auto kind = [](const std::string& rule) { return rule == "exact" ? "bound" : rule; };
  return kind(a) == kind(b);
}

// Does `value` fail as `failing` did? A named mistake must predict its numbers too.
class SameFailure {
 public:
  SameFailure(Session& session, const Observation& failing, const Diagnosis& diagnosis,
              const RunOptions& options)
      : session_(session), record_(failing.record), diagnosis_(diagnosis), options_(options) {
    by_numbers_ = failing.wrong_numbers() && !diagnosis.named.empty();
  }

  bool operator()(const Case& value) const {
    if (!ExpectationOf(session_.claims(), value).expected) return false;
    // Its power is asked only of a case that would be kept: most are not.
    if (!by_numbers_) return Ends(value, false) && Ends(value, true);
    std::optional<Question> question = Ask(value, options_);
    if (!question || !Answer(session_, value, *question)) return false;
    const Numbers& numbers = question->numbers;
    const std::vector<Eigen::Index> lines = TellingLines(numbers, 24, 0x1p19);
    return numbers.wrong() && MatchOne(numbers, *diagnosis_.named.front().mutant, lines).agrees;
  }

 private:
  bool Ends(const Case& value, bool power) const {
    RunOptions options = options_;
    options.power = power;
    const Record record = RunCase(session_, value, options);
    return record.verdict == record_.verdict && SameRule(record.rule, record_.rule);
  }

  Session& session_;
  const Record& record_;
  const Diagnosis& diagnosis_;
  RunOptions options_;
  bool by_numbers_ = false;
};

}  // namespace

Explanation Explain(Session& session, Observation failing, const std::vector<Case>& cases,
                    const ExplainOptions& options) {
  Explanation explanation;
  explanation.diagnosis =
      Diagnose(session, failing, AsAskedOf(session.claims(), cases), options.diagnosis);
  RunOptions run = options.diagnosis.run;
  run.statistics = failing.record.rule == "statistics";
  const SameFailure same(session, failing, explanation.diagnosis, run);
  const bool small = options.minimise_named || explanation.diagnosis.named.empty();
  Minimised least = Minimise(failing.value, same, small ? options.most_tried : 0);
  explanation.smallest_record =
      least.tried > 0 ? RunCase(session, least.value, run) : failing.record;
  if (explanation.diagnosis.named.empty()) {
    explanation.diagnosis.bug_class = ClassOfNeeds(least.value, explanation.smallest_record);
    explanation.diagnosis.by_needs = !explanation.diagnosis.bug_class.empty();
  }
  explanation.smallest = std::move(least.value);
  explanation.tried = least.tried;
  explanation.value = std::move(failing.value);
  explanation.record = std::move(failing.record);
  return explanation;
}

nlohmann::ordered_json ToJson(const Explanation& explanation,
                              const std::vector<MutantEntry>& catalogue) {
  return {{"case", explanation.value.id},
          {"record", ToJson(explanation.record)},
          {"diagnosis", ToJson(explanation.diagnosis, catalogue)},
          {"smallest",
           {{"needs", Needs(explanation.smallest)},
            {"tried", explanation.tried},
            {"case", CaseToJson(explanation.smallest)},
            {"record", ToJson(explanation.smallest_record)}}}};
}

}  // namespace attest
