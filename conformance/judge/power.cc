// SPDX-License-Identifier: Apache-2.0
#include "conformance/judge/power.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>
#include <string_view>

#include "conformance/judge/compare.h"
#include "conformance/judge/graph_walk.h"
#include "conformance/judge/persistent_copy.h"
#include "conformance/judge/power_calls.h"
#include "conformance/judge/preludes.h"
#include "conformance/mutants/in_process.h"

namespace attest {
namespace {

// What is tried where no mutant of the cited clauses is exposed.
constexpr std::string_view kGeneral[] = {
    "output-is-zero",   "last-key-missing", "first-key-missing", "scale-three-percent",
    "head-interleaved", "empty-row-nan",    "slot-one-late",     "merge-unweighted",
    "merge-base-two",   "merge-empty-nan"};
constexpr std::size_t kFirstLines = 6;
constexpr std::size_t kMostLines = 96;
constexpr double kShareOfFirst = 8;  // what the first lines may cost is this part of the budget

// A line of the expectation.
struct Line {
  MutantLine line;
  Eigen::Index at = 0;
};

// `wanted` numbers of 0..count-1, ends first.
std::vector<std::size_t> Spread(std::size_t count, std::size_t wanted) {
  std::set<std::size_t> chosen;
  for (std::size_t n = 0; n < wanted && count > 0; ++n) {
    chosen.insert(wanted == 1 ? count - 1 : n * (count - 1) / (wanted - 1));
  }
  return {chosen.begin(), chosen.end()};
}

// Rows spread over all, heads in turn, so that rows and heads are met in few lines.
std::vector<Line> LinesOf(const Problem& problem, const Expected& expected, std::size_t wanted) {
  std::vector<Line> lines;
  const auto heads = static_cast<std::size_t>(problem.num_q_heads);
  const std::size_t rows = expected.rows.size();
  const std::size_t each =
      std::max<std::size_t>(1, std::min(heads, wanted / std::max<std::size_t>(1, rows)));
  std::size_t turn = heads - 1;
  for (const std::size_t n : Spread(rows, wanted)) {
    for (std::size_t h = 0; h < each; ++h, turn = (turn + heads - 1) % heads) {
      const QueryRow& row = expected.rows[n];
      lines.push_back({{row.request, row.row, static_cast<int>(turn)},
                       static_cast<Eigen::Index>(n * heads + turn)});
    }
  }
  return lines;
}

double CostOf(const Problem& problem, const std::vector<Line>& lines) {
  double keys = 0;
  for (const Line& line : lines) {
    keys +=
        static_cast<double>(problem.requests[static_cast<std::size_t>(line.line.request)].seq_len);
  }
  return keys * (problem.head_dim_qk + problem.head_dim_v);
}

class Certificate {
 public:
  Certificate(const Case& value, const CaseInputs& inputs, const Expected& expected,
              const PowerOptions& options)
      : value_(value),
        inputs_(inputs),
        expected_(expected),
        options_(options),
        flat_(HasFlatScores(value, inputs.image)),
        memories_(MemoriesOf(value, inputs)) {
    Memory none;
    if (options.fresh) none.first_scale = value.problem.scale;
    if (memories_.empty() || options.fresh) memories_.insert(memories_.begin(), none);
  }

  bool Exposes(const Mutant& mutant, std::size_t wanted) const {
    if (!mutant.hooks.no_arithmetic.empty()) return false;
    if (mutant.hooks.whole_call && MultiplyAdds(value_.problem) > 4 * options_.budget) return false;
    const std::vector<Line> lines = AffordableLines(wanted);
    return std::any_of(memories_.begin(), memories_.end(), [&](const Memory& memory) {
      return Shows(lines, Run(mutant, lines, memory));
    });
  }

  // Do bits of the stored output move when the keys are cut into other partial states? All mutants
  // of order do nothing else; they differ in what the cuts follow.
  bool CutsShow(std::size_t wanted) const {
    const Mutant& mutant = *FindMutant("unordered-accumulation");
    const std::vector<Line> lines = AffordableLines(wanted);
    const MutantAnswer first = Run(mutant, lines, {.calls = 0});
    const MutantAnswer second = Run(mutant, lines, {.calls = 1});
    const Format stored = FormatOfAbi(inputs_.abi.output_dtype);
    for (std::size_t n = 0; n < first.out.size(); ++n) {
      if (Through(stored, first.out[n]) != Through(stored, second.out[n])) return true;
    }
    return false;
  }

 private:
  std::vector<Line> AffordableLines(std::size_t wanted) const {
    std::vector<Line> lines = LinesOf(value_.problem, expected_, wanted);
    const double budget = options_.budget / (wanted > kFirstLines ? 1 : kShareOfFirst);
    while (lines.size() > 1 && CostOf(value_.problem, lines) > budget) {
      lines.erase(lines.begin());  // the last rows see the most
    }
    return lines;
  }

  MutantAnswer Run(const Mutant& mutant, const std::vector<Line>& lines,
                   const Memory& memory) const {
    std::vector<MutantLine> asked;
    asked.reserve(lines.size());
    for (const Line& line : lines) asked.push_back(line.line);
    return RunMutant(value_.problem, TensorsOf(inputs_.image),
                     {.out = inputs_.image.View("out"), .lse = inputs_.image.View("lse")}, mutant,
                     asked, memory);
  }

  bool Shows(const std::vector<Line>& lines, const MutantAnswer& answer) const {
    if (answer.forbidden_write) return true;
    for (std::size_t n = 0; n < lines.size(); ++n) {
      if (LineShows(lines[n].at, n, answer)) return true;
    }
    return false;
  }

  bool LineShows(Eigen::Index at, std::size_t n, const MutantAnswer& answer) const {
    const Eigen::Index columns = expected_.out.cols();
    for (Eigen::Index d = 0; d < columns; ++d) {
      const double want = expected_.out(at, d);
      const double allowed =
          std::min(expected_.out_bound(at, d),
                   ExactTolerance(value_, inputs_, flat_, want, expected_.weight_sum(at)));
      const double got =
          answer.out[n * static_cast<std::size_t>(columns) + static_cast<std::size_t>(d)];
      if (OutOfReach(got, want, allowed)) return true;
    }
    return value_.problem.lse &&
           OutOfReach(answer.lse[n], expected_.lse(at), expected_.lse_bound(at));
  }

  const Case& value_;
  const CaseInputs& inputs_;
  const Expected& expected_;
  PowerOptions options_;
  bool flat_;
  std::vector<Memory> memories_;
};

std::vector<const Mutant*> MutantsOf(std::string_view clause) {
  std::vector<const Mutant*> mutants;
  for (const Mutant& mutant : Mutants()) {
    if (mutant.clause == clause) mutants.push_back(&mutant);
  }
  return mutants;
}

std::vector<const Mutant*> GeneralMutants() {
  std::vector<const Mutant*> mutants;
  for (const std::string_view id : kGeneral) mutants.push_back(FindMutant(id));
  return mutants;
}

// Of the kinds that ask whether a bit moved, the mutant of order that each asks about.
std::string_view MutantOfOrder(CaseKind kind) {
  switch (kind) {
    case CaseKind::kDeterminism:
      return "unordered-accumulation";
    case CaseKind::kNeighbours:
      return "tile-shares-maximum";
    case CaseKind::kBatchInvariance:
    case CaseKind::kServingLoop:
      return "splits-follow-batch";
    case CaseKind::kChunkInvariance:
      return "tiles-start-at-chunk";
    default:
      return {};
  }
}

// Is there something in the batch that the cuts could follow?
bool HasWhatCutsFollow(const Case& value) {
  std::size_t with_rows = 0;
  std::int64_t longest = 0;
  for (const Request& request : value.problem.requests) {
    if (request.q_len > 0) ++with_rows;
    longest = std::max(longest, request.q_len);
  }
  if (value.kind == CaseKind::kNeighbours) return with_rows > 1;
  return value.kind != CaseKind::kChunkInvariance || longest > 1;
}

// Exposed ones of `candidates`; without `all` the first alone.
void AddExposed(const Trial& exposes, std::size_t lines,
                const std::vector<const Mutant*>& candidates, bool all,
                std::set<std::string>& known, std::vector<std::string>& exposed) {
  for (const Mutant* mutant : candidates) {
    if (known.count(std::string(mutant->id)) > 0 || !exposes(*mutant, lines)) continue;
    known.emplace(mutant->id);
    exposed.emplace_back(mutant->id);
    if (!all) return;
  }
}

// Few lines first: nearly every input shows something there, and what it does not show costs the
// most to look for.
std::vector<std::string> ExposedOf(const Case& value, const Trial& exposes, bool all) {
  std::vector<std::string> exposed;
  std::set<std::string> known;
  for (const std::size_t lines : {kFirstLines, kMostLines}) {
    for (const std::string& clause : value.clauses) {
      AddExposed(exposes, lines, MutantsOf(clause), all, known, exposed);
    }
    if (!exposed.empty() && !all) return exposed;
  }
  for (const std::size_t lines : {kFirstLines, kMostLines}) {
    if (exposed.empty()) AddExposed(exposes, lines, GeneralMutants(), all, known, exposed);
  }
  return exposed;
}

}  // namespace

bool ClaimsToKill(const Case& value, const Mutant& mutant) {
  return std::find(value.clauses.begin(), value.clauses.end(), mutant.clause) !=
         value.clauses.end();
}

bool OutOfReach(double got, double want, double allowed) {
  if (std::isnan(got) != std::isnan(want)) return true;
  if (std::isinf(got) || std::isinf(want)) return got != want;
  return std::abs(got - want) > 2 * allowed;
}

std::vector<std::string> ExposedMutants(const Case& value, const CaseInputs& inputs,
                                        const Expected& expected, const PowerOptions& options) {
  switch (value.kind) {
    case CaseKind::kRefusal:
      return {"feature-silently-ignored"};
    case CaseKind::kInvalid:
      return {"contradiction-computed"};
    case CaseKind::kWriteKv:
    case CaseKind::kMerge:
    case CaseKind::kCopyToPersistent:
      return ExposedOf(value, TrialOf(value, inputs, expected, options), options.all);
    case CaseKind::kGraph: {
      const Result<GraphWalk> walk = BuildGraphWalk(value, {.statistics = false});
      return walk.ok() ? ExposedByWalk(value, *walk, options.all) : std::vector<std::string>();
    }
    default:
      break;
  }
  const Certificate certificate(value, inputs, expected, options);
  std::vector<std::string> exposed = ExposedOf(
      value,
      [&](const Mutant& mutant, std::size_t lines) { return certificate.Exposes(mutant, lines); },
      options.all);
  const std::string_view order = MutantOfOrder(value.kind);
  if (order.empty()) return exposed;
  if (!HasWhatCutsFollow(value)) return {};
  if (!certificate.CutsShow(kFirstLines) && !certificate.CutsShow(kMostLines)) return {};
  exposed.emplace(exposed.begin(), order);
  return exposed;
}

Trial TrialOf(const Case& value, const CaseInputs& inputs, const Expected& expected,
              const PowerOptions& options) {
  if (value.kind == CaseKind::kWriteKv) {
    return [&inputs](const Mutant& mutant, std::size_t) { return WriteKvExposes(inputs, mutant); };
  }
  if (value.kind == CaseKind::kMerge) {
    return [&](const Mutant& mutant, std::size_t) {
      return MergeExposes(inputs, value.parts, expected, mutant);
    };
  }
  if (value.kind == CaseKind::kCopyToPersistent) {
    return [&value](const Mutant& mutant, std::size_t) { return CopyExposes(value, mutant); };
  }
  if (value.kind == CaseKind::kGraph) {
    const auto walk =
        std::make_shared<Result<GraphWalk>>(BuildGraphWalk(value, {.statistics = false}));
    return [walk, &value](const Mutant& mutant, std::size_t) {
      return walk->ok() && WalkExposes(value, **walk, mutant);
    };
  }
  const auto certificate = std::make_shared<Certificate>(value, inputs, expected, options);
  return [certificate](const Mutant& mutant, std::size_t lines) {
    return certificate->Exposes(mutant, lines);
  };
}

std::vector<QueryRow> PowerRows(const Problem& problem) {
  std::vector<QueryRow> rows;
  for (std::size_t r = 0; r < problem.requests.size(); ++r) {
    const std::int64_t q_len = problem.requests[r].q_len;
    std::set<std::int64_t> chosen;
    for (const std::int64_t row :
         {std::int64_t{0}, std::int64_t{1}, q_len / 2, q_len - 2, q_len - 1}) {
      if (row >= 0 && row < q_len) chosen.insert(row);
    }
    for (const std::int64_t row : chosen) rows.push_back({static_cast<int>(r), row});
  }
  return rows;
}

}  // namespace attest
