// SPDX-License-Identifier: Apache-2.0
#include "property_tests/drafter/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "conformance/run/inputs_random.h"

namespace attest::drafter {
namespace {

using Json = nlohmann::ordered_json;
using Drawn = rc::Shrinkable<Choices>;

constexpr int kMostFaults = 5;
constexpr int kWitnessDraws = 4000;
constexpr int kWitnessShrinks = 400;
constexpr int kTellingDraws = 2000;  // for telling two known mistakes apart

// Draws of one purpose; the same for the same seed, whatever else is drawn.
class Draws {
 public:
  Draws(Op op, const Scope& scope, std::uint64_t seed, std::string_view purpose)
      : generator_(AnyChoices(op, scope)), random_(StreamKey(NameOf(op), seed, purpose)) {}

  Drawn Next() { return generator_(random_.split(), 0); }

 private:
  rc::Gen<Choices> generator_;
  rc::Random random_;
};

// Follows the first smaller one that `fails`, again and again. Ends after `tries`.
template <typename Fails>
int Shrink(Drawn& drawn, int tries, const Fails& fails) {
  int tried = 0;
  for (bool moved = true; moved;) {
    moved = false;
    auto shrinks = drawn.shrinks();
    for (auto next = shrinks.next(); next && tried < tries; next = shrinks.next()) {
      ++tried;
      if (!fails(next->value())) continue;
      drawn = *next;
      moved = true;
      break;
    }
  }
  return tried;
}

bool SameAnswer(const Question& question, const ConfigMutant* mutant, const Json& answer,
                const std::vector<std::string>& fields) {
  const Result<Json> predicted = AnswerOf(question, mutant);
  return predicted.ok() && Differences(*predicted, answer, fields).empty();
}

// Does the mutant answer otherwise than the model?
bool Shows(const ConfigMutant* mutant, const Question& question) {
  const Result<Json> right = AnswerOf(question, nullptr);
  return right.ok() && !SameAnswer(question, mutant, *right, {});
}

std::optional<Question> WitnessOf(const ConfigMutant& mutant, Op op, const Scope& scope,
                                  std::uint64_t seed) {
  if (!mutant.changes(op)) return std::nullopt;
  Draws draws(op, scope, seed, mutant.id);
  const auto shows = [&mutant, &scope](const Choices& choices) {
    return Shows(&mutant, QuestionOf(choices, scope));
  };
  for (int i = 0; i < kWitnessDraws; ++i) {
    Drawn drawn = draws.Next();
    if (!shows(drawn.value())) continue;
    Shrink(drawn, kWitnessShrinks, shows);
    return QuestionOf(drawn.value(), scope);
  }
  return std::nullopt;
}

// One check in progress.
class Check {
 public:
  Check(const CheckPlan& plan, const Ask& ask) : plan_(plan), ask_(ask) {}

  Status Try(const Question& question) { return TryAndShrink(question, nullptr); }
  Status Try(Drawn drawn) { return TryAndShrink(QuestionOf(drawn.value(), plan_.scope), &drawn); }
  bool enough() const { return result_.faults >= kMostFaults; }

  CheckResult Take() {
    if (result_.wrong > 0) Name();
    return std::move(result_);
  }

 private:
  // What came back for one question, compared.
  struct Judged {
    std::vector<Difference> differences;
    std::string fault;
    bool fails() const { return !differences.empty() || !fault.empty(); }
    // Failures with one signature are shown once.
    std::string Signature(Op op) const {
      return fmt::format("{} {}", NameOf(op),
                         differences.empty() ? fault : differences.front().field);
    }
  };

  struct Answered {
    Question question;
    Json answer;
  };

  Judged Put(const Question& question) {
    const Outcome outcome = ask_(ToJson(question));
    ++result_.asked;
    if (outcome.kind == Outcome::Kind::kNotSupported) {
      if (result_.not_supported++ == 0) result_.why_not_supported = outcome.message;
      return {};
    }
    if (outcome.kind == Outcome::Kind::kFault) {
      ++result_.faults;
      return {.differences = {}, .fault = outcome.message};
    }
    const Result<Json> right = AnswerOf(question, nullptr);
    if (!right.ok()) {
      internal_ =
          InternalError(fmt::format("{}: {}", ToJson(question).dump(), right.status().message()));
      return {};
    }
    Judged judged{.differences = Differences(*right, outcome.answer, plan_.fields), .fault = {}};
    (judged.fails() ? wrong_ : right_).push_back({question, outcome.answer});
    return judged;
  }

  Status TryAndShrink(const Question& question, Drawn* drawn) {
    Judged judged = Put(question);
    if (!internal_.ok()) return internal_;
    if (!judged.fails()) return {};
    if (judged.fault.empty()) ++result_.wrong;
    if (static_cast<int>(result_.failures.size()) >= plan_.failures) return {};
    if (!shown_.insert(judged.Signature(question.op)).second) return {};
    CheckFailure failure{question, judged.differences, judged.fault, 0};
    if (drawn != nullptr && judged.fault.empty()) {
      failure.tries = Shrink(*drawn, plan_.shrink_tries, [&](const Choices& choices) {
        if (enough()) return false;
        const Question smaller = QuestionOf(choices, plan_.scope);
        Judged again = Put(smaller);
        if (again.differences.empty()) return false;
        failure.smallest = smaller;
        failure.differences = std::move(again.differences);
        return true;
      });
    }
    result_.failures.push_back(std::move(failure));
    return internal_;
  }

  bool Predicts(const ConfigMutant* mutant, const std::vector<Answered>& all) const {
    return std::all_of(all.begin(), all.end(), [&](const Answered& one) {
      return SameAnswer(one.question, mutant, one.answer, plan_.fields);
    });
  }

  // The known mistakes that predict everything: wrong answers first, which few do.
  void Name() {
    for (const ConfigMutant& mutant : ConfigMutants()) {
      if (Predicts(&mutant, wrong_) && Predicts(&mutant, right_)) {
        result_.named.push_back(&mutant);
      }
    }
    for (const Op op : plan_.scope.ops) TellApart(op);
  }

  // Asks questions that the remaining known mistakes answer differently.
  void TellApart(Op op) {
    Draws draws(op, plan_.scope, plan_.seed, "tell apart");
    std::vector<const ConfigMutant*>& named = result_.named;
    for (int i = 0; i < kTellingDraws && named.size() > 1 && !enough(); ++i) {
      const Question question = QuestionOf(draws.Next().value(), plan_.scope);
      const Result<Json> first = AnswerOf(question, named.front());
      if (!first.ok()) continue;
      const bool tells = std::any_of(named.begin() + 1, named.end(), [&](const ConfigMutant* one) {
        return !SameAnswer(question, one, *first, plan_.fields);
      });
      if (!tells) continue;
      const Outcome outcome = ask_(ToJson(question));
      ++result_.asked;
      if (outcome.kind != Outcome::Kind::kAnswer) continue;
      std::erase_if(named, [&](const ConfigMutant* one) {
        return !SameAnswer(question, one, outcome.answer, plan_.fields);
      });
    }
  }

  const CheckPlan& plan_;
  const Ask& ask_;
  CheckResult result_;
  std::vector<Answered> wrong_;
  std::vector<Answered> right_;
  std::set<std::string> shown_;
  Status internal_;
};

}  // namespace

std::vector<Witness> WitnessesOf(const Scope& scope, std::uint64_t seed) {
  std::vector<Witness> witnesses;
  for (const ConfigMutant& mutant : ConfigMutants()) {
    for (const Op op : scope.ops) {
      std::optional<Question> question = WitnessOf(mutant, op, scope, seed);
      if (question) witnesses.push_back({&mutant, std::move(*question)});
    }
  }
  return witnesses;
}

Result<CheckResult> RunCheck(const CheckPlan& plan, const Ask& ask) {
  Check check(plan, ask);
  for (const Op op : plan.scope.ops) {
    Draws draws(op, plan.scope, plan.seed, "questions");
    for (int i = 0; i < plan.questions && !check.enough(); ++i) {
      if (Status status = check.Try(draws.Next()); !status.ok()) return status;
    }
  }
  std::vector<Witness> own;
  if (plan.witnesses == nullptr) own = WitnessesOf(plan.scope, plan.seed);
  for (const Witness& witness : plan.witnesses == nullptr ? own : *plan.witnesses) {
    if (check.enough()) break;
    if (Status status = check.Try(witness.question); !status.ok()) return status;
  }
  return check.Take();
}

}  // namespace attest::drafter
