// SPDX-License-Identifier: Apache-2.0
#include "conformance/diagnose/match.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "conformance/judge/power.h"

namespace attest {
namespace {

constexpr double kShareOfDefect = 0.02;
constexpr std::size_t kFewLines = 4;
constexpr std::size_t kManyLines = 48;

std::vector<MutantLine> Asked(const Numbers& numbers, const std::vector<Eigen::Index>& lines) {
  std::vector<MutantLine> asked;
  for (const Eigen::Index line : lines) asked.push_back(numbers.LineAt(line));
  return asked;
}

// One number of the output or LSE.
struct Number {
  double got = 0;
  double want = 0;
  double allowed = 0;
  double predicted = 0;
};

// Calls visit for each number of `lines`, in order.
template <typename Visit>
void ForEachNumber(const Numbers& numbers, const std::vector<Eigen::Index>& lines,
                   const MutantAnswer& answer, Visit visit) {
  const Eigen::Index columns = numbers.got.cols();
  for (std::size_t n = 0; n < lines.size(); ++n) {
    const Eigen::Index line = lines[n];
    const double* predicted = answer.out.data() + n * static_cast<std::size_t>(columns);
    for (Eigen::Index c = 0; c < columns; ++c) {
      visit(Number{numbers.got(line, c), numbers.expected.out(line, c), numbers.allowed(line, c),
                   predicted[c]});
    }
    if (!numbers.has_lse()) continue;
    visit(Number{numbers.got_lse[line], numbers.expected.lse[line], numbers.allowed_lse[line],
                 answer.lse[n]});
  }
}

bool Agrees(const Number& n) {
  if (std::isnan(n.got) || std::isnan(n.predicted)) {
    return std::isnan(n.got) == std::isnan(n.predicted);
  }
  if (std::isinf(n.got) || std::isinf(n.predicted)) return n.got == n.predicted;
  // A row that should be empty has no bound, and its LSE no distance to what is predicted.
  const double defect =
      std::isfinite(n.want) ? std::abs(n.predicted - n.want) : std::max(1.0, std::abs(n.predicted));
  return std::abs(n.got - n.predicted) <= 2.0 * n.allowed + kShareOfDefect * defect;
}

// Sums over elements in units of what is allowed.
struct Sums {
  double observed = 0;   // of got - want, squared
  double remaining = 0;  // of got - predicted, squared
  double cross = 0;
  double defect = 0;  // of predicted - want, squared
  bool finite = true;
};

void Add(const Number& n, Sums* sums) {
  const double unit = std::max(n.allowed, 1e-30);
  const double seen = (n.got - n.want) / unit;
  const double told = (n.predicted - n.want) / unit;
  if (!std::isfinite(seen) || !std::isfinite(told)) {
    sums->finite = sums->finite && Agrees(n);
    return;
  }
  sums->observed += seen * seen;
  sums->remaining += (seen - told) * (seen - told);
  sums->cross += seen * told;
  sums->defect += told * told;
}

double KeysOf(const Numbers& numbers, Eigen::Index line) {
  const auto request = static_cast<std::size_t>(numbers.LineAt(line).request);
  return static_cast<double>(numbers.problem.requests[request].seq_len);
}

bool ComputableHere(const Numbers& numbers, const Mutant& mutant, double budget) {
  if (mutant.clause.empty() || !mutant.hooks.no_arithmetic.empty()) return false;
  return !mutant.hooks.whole_call || MultiplyAdds(numbers.problem) <= 4 * budget;
}

}  // namespace

std::vector<Eigen::Index> TellingLines(const Numbers& numbers, std::size_t wanted, double budget) {
  std::vector<std::pair<double, Eigen::Index>> wrong;
  std::vector<Eigen::Index> right;
  for (Eigen::Index line = 0; line < numbers.lines(); ++line) {
    const double ratio = numbers.Ratio(line);
    if (ratio > 1.0) {
      wrong.emplace_back(-ratio, line);
    } else {
      right.push_back(line);
    }
  }
  std::stable_sort(wrong.begin(), wrong.end());
  std::vector<Eigen::Index> order;
  const auto spread = [](std::size_t n, std::size_t count, std::size_t size) {
    return count <= 1 ? size - 1 : n * (size - 1) / (count - 1);
  };
  // Half of them wrong lines, the worst and others of all sizes; the rest right ones.
  const std::size_t half = std::max<std::size_t>(wanted / 2, 1);
  for (std::size_t n = 0; n < std::min(half, wrong.size()); ++n) {
    order.push_back(wrong[spread(n, std::min(half, wrong.size()), wrong.size())].second);
  }
  for (std::size_t n = 0; n < std::min(wanted - half, right.size()); ++n) {
    order.push_back(right[spread(n, std::min(wanted - half, right.size()), right.size())]);
  }
  std::vector<Eigen::Index> lines;
  std::set<Eigen::Index> known;
  double cost = 0;
  for (const Eigen::Index line : order) {
    cost += KeysOf(numbers, line) * (numbers.problem.head_dim_qk + numbers.problem.head_dim_v);
    if (!lines.empty() && cost > budget) break;
    if (known.insert(line).second) lines.push_back(line);
  }
  return lines;
}

Match MatchOne(const Numbers& numbers, const Mutant& mutant,
               const std::vector<Eigen::Index>& lines) {
  const MutantAnswer answer =
      RunMutant(numbers.problem, numbers.tensors, numbers.outputs, mutant, Asked(numbers, lines));
  Match match{.mutant = &mutant, .agrees = true};
  Sums sums;
  ForEachNumber(numbers, lines, answer, [&](const Number& number) {
    match.agrees = match.agrees && Agrees(number);
    Add(number, &sums);
  });
  if (sums.finite && sums.observed > 0) match.explained = 1.0 - sums.remaining / sums.observed;
  if (sums.finite && sums.defect > 0) match.beta = sums.cross / sums.defect;
  if (match.agrees && sums.observed == 0) match.explained = 1.0;  // all wrong ones are not numbers
  return match;
}

std::vector<Match> MatchShelf(const Numbers& numbers, const MatchOptions& options) {
  const std::vector<Eigen::Index> few = TellingLines(numbers, kFewLines, options.budget / 8);
  const std::vector<Eigen::Index> many = TellingLines(numbers, kManyLines, options.budget);
  std::vector<Match> matches;
  for (const Mutant& mutant : Mutants()) {
    if (mutant.id == options.without || !ComputableHere(numbers, mutant, options.budget)) continue;
    Match match = MatchOne(numbers, mutant, few);
    if (match.agrees) match = MatchOne(numbers, mutant, many);
    matches.push_back(match);
  }
  std::stable_sort(matches.begin(), matches.end(), [](const Match& a, const Match& b) {
    return a.agrees != b.agrees ? a.agrees : a.explained > b.explained;
  });
  return matches;
}

Prediction Predict(const Numbers& numbers, const Mutant& mutant,
                   const std::vector<Eigen::Index>& lines) {
  Prediction prediction{
      RunMutant(numbers.problem, numbers.tensors, numbers.outputs, mutant, Asked(numbers, lines)),
      false};
  prediction.wrong = prediction.answer.forbidden_write;
  ForEachNumber(numbers, lines, prediction.answer, [&](const Number& number) {
    prediction.wrong =
        prediction.wrong || OutOfReach(number.predicted, number.want, number.allowed);
  });
  return prediction;
}

bool Differ(const Numbers& numbers, const std::vector<Eigen::Index>& lines, const Prediction& a,
            const Prediction& b) {
  if (a.answer.forbidden_write != b.answer.forbidden_write) return true;
  std::vector<double> of_a;
  ForEachNumber(numbers, lines, a.answer,
                [&](const Number& number) { of_a.push_back(number.predicted); });
  bool differ = false;
  std::size_t n = 0;
  ForEachNumber(numbers, lines, b.answer, [&](const Number& number) {
    differ = differ || OutOfReach(of_a[n++], number.predicted, 2.0 * number.allowed);
  });
  return differ;
}

}  // namespace attest
