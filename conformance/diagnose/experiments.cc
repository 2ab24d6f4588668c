// SPDX-License-Identifier: Apache-2.0
#include "conformance/diagnose/experiments.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>
#include <string>

#include "conformance/diagnose/match.h"

namespace attest {
namespace {

constexpr double kMostWork = 0x1p20;  // multiply-adds of a case that serves as an experiment
constexpr std::size_t kLines = 24;
constexpr int kShown = 3;     // cases that must show the mistake
constexpr int kNotShown = 2;  // and that must not
constexpr std::size_t kFew = 4;

bool CitesAny(const Case& value, const std::set<std::string_view>& clauses) {
  return std::any_of(value.clauses.begin(), value.clauses.end(),
                     [&clauses](const std::string& clause) { return clauses.count(clause) > 0; });
}

std::set<std::string_view> ClausesOf(const std::vector<const Mutant*>& mutants) {
  std::set<std::string_view> clauses;
  for (const Mutant* mutant : mutants) clauses.insert(mutant->clause);
  return clauses;
}

// Small cases of the backend's, those of the clauses in question first, then smoke cases of all
// others, for what must not show.
std::vector<const Case*> Battery(const Session& session, const std::vector<Case>& cases,
                                 const std::string& without,
                                 const std::set<std::string_view>& clauses, bool forward) {
  std::vector<const Case*> citing;
  std::vector<const Case*> others;
  for (const Case& value : cases) {
    if (value.id == without || value.tier == Tier::kFull) continue;
    if ((value.kind == CaseKind::kForward) != forward) continue;
    if (MultiplyAdds(value.problem) > kMostWork) continue;
    if (!ExpectationOf(session.claims(), value).expected) continue;
    if (CitesAny(value, clauses)) {
      citing.push_back(&value);
    } else if (value.tier == Tier::kSmoke) {
      others.push_back(&value);
    }
  }
  std::stable_sort(citing.begin(), citing.end(),
                   [](const Case* a, const Case* b) { return a->tier < b->tier; });
  // Every third of the others is met early: cases that must pass are wanted as well.
  std::vector<const Case*> battery;
  std::size_t next = 0;
  for (std::size_t n = 0; n < citing.size(); ++n) {
    battery.push_back(citing[n]);
    if (n % 3 == 2 && next < others.size()) battery.push_back(others[next++]);
  }
  battery.insert(battery.end(), others.begin() + static_cast<std::ptrdiff_t>(next), others.end());
  return battery;
}

std::string Names(const std::vector<const Mutant*>& mutants) {
  std::vector<std::string_view> ids;
  ids.reserve(mutants.size());
  for (const Mutant* mutant : mutants) ids.push_back(mutant->id);
  if (ids.size() <= kFew) return fmt::format("{}", fmt::join(ids, ", "));
  const std::size_t more = ids.size() - kFew;
  ids.resize(kFew);
  return fmt::format("{} and {} more", fmt::join(ids, ", "), more);
}

// Those of `before` that are not in `after`.
std::vector<const Mutant*> Without(const std::vector<const Mutant*>& before,
                                   const std::vector<const Mutant*>& after) {
  std::vector<const Mutant*> gone;
  for (const Mutant* mutant : before) {
    if (std::find(after.begin(), after.end(), mutant) == after.end()) gone.push_back(mutant);
  }
  return gone;
}

class ByNumbers {
 public:
  ByNumbers(Session& session, const DiagnosisOptions& options,
            std::vector<const Mutant*> candidates, Diagnosis* diagnosis)
      : session_(session),
        options_(options),
        candidates_(std::move(candidates)),
        diagnosis_(diagnosis) {}

  // False once nothing more is to be learnt.
  bool Try(const Case& value) {
    std::optional<Question> question = Ask(value, options_.run);
    if (!question) return true;
    const std::vector<Eigen::Index> lines = TellingLines(question->numbers, 2 * kLines, 0x1p19);
    std::vector<Prediction> predictions;
    for (const Mutant* mutant : candidates_) {
      predictions.push_back(Predict(question->numbers, *mutant, lines));
    }
    const bool splits =
        std::any_of(predictions.begin() + 1, predictions.end(), [&](const Prediction& other) {
          return Differ(question->numbers, lines, predictions.front(), other);
        });
    const bool shows = predictions.front().wrong;
    const bool wanted = splits || (shows ? shown_ < kShown : not_shown_ < kNotShown);
    if (!wanted || !Answer(session_, value, *question)) return true;
    ++diagnosis_->experiments;
    Sift(value, question->numbers, lines, shows);
    const bool tested =
        shown_ >= kShown && not_shown_ >= kNotShown && !splits && since_split_ > kPatience;
    return !candidates_.empty() && !tested && diagnosis_->experiments < options_.most_experiments;
  }

  const std::vector<const Mutant*>& candidates() const { return candidates_; }

 private:
  static constexpr int kPatience = 4;

  void Sift(const Case& value, const Numbers& numbers, const std::vector<Eigen::Index>& lines,
            bool shows) {
    std::vector<const Mutant*> kept;
    for (const Mutant* mutant : candidates_) {
      if (MatchOne(numbers, *mutant, lines).agrees) kept.push_back(mutant);
    }
    const std::vector<const Mutant*> gone = Without(candidates_, kept);
    since_split_ = gone.empty() ? since_split_ + 1 : 0;
    if (!gone.empty()) {
      diagnosis_->evidence.push_back(fmt::format("{} rules out {}", value.id, Names(gone)));
    }
    candidates_ = std::move(kept);
    if (candidates_.empty() || !gone.empty()) return;
    (shows ? shown_ : not_shown_) += 1;
    diagnosis_->evidence.push_back(
        value.id + (shows ? " fails just as it must then" : " passes, as it must then"));
  }

  Session& session_;
  const DiagnosisOptions& options_;
  std::vector<const Mutant*> candidates_;
  Diagnosis* diagnosis_;
  int shown_ = 0;
  int not_shown_ = 0;
  int since_split_ = 0;
};

// ---- By records

// Up to the first bracket or colon: behind it stand texts of the backend's own.
std::string_view Head(std::string_view reason) {
  return reason.substr(0, reason.find_first_of("(:"));
}

bool SamePlaces(const Record& a, const Record& b) {
  const auto same = [](const WrongCell& x, const WrongCell& y) {
    return x.request == y.request && x.row == y.row && x.head == y.head;
  };
  return std::equal(a.wrong_cells.begin(), a.wrong_cells.end(), b.wrong_cells.begin(),
                    b.wrong_cells.end(), same);
}

// Are the wrong numbers that both records name the same ones, up to rounding?
bool SameNumbers(const Record& a, const Record& b) {
  for (const Element& x : a.worst) {
    const auto y = std::find_if(b.worst.begin(), b.worst.end(), [&x](const Element& e) {
      return e.request == x.request && e.row == x.row && e.head == x.head && e.dim == x.dim;
    });
    if (y == b.worst.end() || (std::isnan(x.got) && std::isnan(y->got)) || x.got == y->got)
      continue;
    const double defect = std::abs(x.got - x.expected);
    if (!(std::abs(x.got - y->got) <= 2.0 * x.bound + 0.02 * defect)) return false;
  }
  return true;
}

// Do two records tell of the same defect? Bits that moved are not compared: which ones do is
// chance.
bool SameFailure(const Record& a, const Record& b) {
  if (a.verdict != b.verdict || a.rule != b.rule) return false;
  if (a.verdict == Verdict::kPass || a.rule == "bitwise") return true;
  if (!SamePlaces(a, b) || !SameNumbers(a, b)) return false;
  return !a.worst.empty() || Head(a.reason) == Head(b.reason);
}

class ByRecords {
 public:
  ByRecords(Session& session, const DiagnosisOptions& options, Diagnosis* diagnosis)
      : session_(session), options_(options), diagnosis_(diagnosis) {}

  void Start(const std::vector<const Mutant*>& shelf, const Observation& failing) {
    for (const Mutant* mutant : shelf) {
      const Result<BackendSpec> spec = ResolveBackend("mutant:" + std::string(mutant->id));
      if (!spec.ok()) continue;
      Result<std::unique_ptr<Session>> opened = Session::Open(*spec, {});
      if (!opened.ok()) continue;
      if (!ExpectationOf((*opened)->claims(), failing.value).expected) continue;
      if (!SameFailure(RunOne(**opened, failing.value), failing.record)) continue;
      candidates_.push_back({mutant, std::move(*opened)});
    }
    diagnosis_->evidence.push_back(fmt::format("{} of {} known mistakes end {} in the same way",
                                               candidates_.size(), shelf.size(), failing.value.id));
  }

  bool Try(const Case& value) {
    std::vector<Record> predicted;
    for (const Candidate& one : candidates_) {
      if (!ExpectationOf(one.session->claims(), value).expected) return true;
      predicted.push_back(RunOne(*one.session, value));
    }
    const bool splits = std::any_of(predicted.begin(), predicted.end(), [&](const Record& other) {
      return !SameFailure(other, predicted.front());
    });
    const bool shows = predicted.front().verdict != Verdict::kPass;
    if (!splits && (shows ? shown_ >= kShown : not_shown_ >= kNotShown)) return true;
    const Record seen = RunOne(session_, value);
    ++diagnosis_->experiments;
    std::vector<const Mutant*> gone;
    for (std::size_t n = candidates_.size(); n-- > 0;) {
      if (SameFailure(predicted[n], seen)) continue;
      gone.push_back(candidates_[n].mutant);
      candidates_.erase(candidates_.begin() + static_cast<std::ptrdiff_t>(n));
    }
    if (!gone.empty()) {
      diagnosis_->evidence.push_back(fmt::format("{} rules out {}", value.id, Names(gone)));
    } else {
      (shows ? shown_ : not_shown_) += 1;
    }
    return !candidates_.empty() && diagnosis_->experiments < options_.most_experiments;
  }

  std::vector<const Mutant*> candidates() const {
    std::vector<const Mutant*> mutants;
    for (const Candidate& one : candidates_) mutants.push_back(one.mutant);
    return mutants;
  }

 private:
  struct Candidate {
    const Mutant* mutant;
    std::unique_ptr<Session> session;
  };

  Record RunOne(Session& session, const Case& value) const {
    RunOptions options = options_.run;
    options.statistics = options.power = false;
    return RunCase(session, value, options);
  }

  Session& session_;
  const DiagnosisOptions& options_;
  Diagnosis* diagnosis_;
  std::vector<Candidate> candidates_;
  int shown_ = 0;
  int not_shown_ = 0;
};

}  // namespace

std::vector<const Mutant*> TestByNumbers(Session& session, const Observation& failing,
                                         const std::vector<Case>& cases,
                                         const DiagnosisOptions& options,
                                         std::vector<const Mutant*> candidates,
                                         Diagnosis* diagnosis) {
  if (candidates.empty()) return candidates;
  const std::vector<const Case*> battery =
      Battery(session, cases, failing.value.id, ClausesOf(candidates), true);
  ByNumbers test(session, options, std::move(candidates), diagnosis);
  int questions = 0;
  for (const Case* value : battery) {
    if (++questions > options.most_questions || !test.Try(*value)) break;
  }
  return test.candidates();
}

std::vector<const Mutant*> TestByRecords(Session& session, const Observation& failing,
                                         const std::vector<Case>& cases,
                                         const DiagnosisOptions& options,
                                         const std::vector<const Mutant*>& candidates,
                                         Diagnosis* diagnosis) {
  ByRecords test(session, options, diagnosis);
  test.Start(candidates, failing);
  if (test.candidates().empty()) return {};
  const std::set<std::string_view> clauses = ClausesOf(test.candidates());
  for (const bool forward : {false, true}) {
    int questions = 0;
    for (const Case* value : Battery(session, cases, failing.value.id, clauses, forward)) {
      if (++questions > options.most_questions / 2 || !test.Try(*value)) break;
    }
    if (test.candidates().empty()) break;
  }
  return test.candidates();
}

}  // namespace attest
