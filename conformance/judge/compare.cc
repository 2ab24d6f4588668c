// SPDX-License-Identifier: Apache-2.0
#include "conformance/judge/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "conformance/judge/rearrange.h"
#include "conformance/probe/decode.h"
#include "reference/float_formats.h"

namespace attest {
namespace {

constexpr std::size_t kWorstKept = 8;
constexpr std::size_t kCellsKept = 4096;
constexpr int kRowsDecoded = 64;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Prefix sums of the balanced code are integers; an admissible output lands within a quarter of the
// right one (NUM: exact probe).
constexpr double kExactTolerance = 0.25;
constexpr double kLargestFlatSink = 8.0;

struct CellSum {
  double ratio = 0;
  bool no_number = false;  // some element
  Element worst;
};

// As record.h wants it: a number where nothing was allowed is wrong, and a number all the same.
double RecordedRatio(const CellSum& cell) {
  return cell.no_number ? kInfinity : std::min(cell.ratio, std::numeric_limits<double>::max());
}

double Ratio(double got, double expected, double bound) {
  const double error = std::abs(got - expected);
  if (error <= bound) return bound > 0 ? error / bound : 0.0;
  return bound > 0 && std::isfinite(error) ? error / bound : kInfinity;
}

class Comparison {
 public:
  Comparison(const Case& value, const CaseInputs& inputs, const CallImage& after,
             const Expected& expected)
      : flat_(HasFlatScores(value, inputs.image)),
        value_(value),
        inputs_(inputs),
        expected_(expected),
        out_(after.View("out")),
        lse_(after.View("lse")),
        starts_(FirstTokens(value.problem)) {}

  bool flat() const { return flat_; }

  CellSum Cell(std::size_t n, int head) const {
    const QueryRow& row = expected_.rows[n];
    const std::int64_t token = starts_[row.request] + row.row;
    const auto line = static_cast<Eigen::Index>(n) * value_.problem.num_q_heads + head;
    CellSum cell;
    for (int dim = 0; dim < value_.problem.head_dim_v; ++dim) {
      const double want = expected_.out(line, dim);
      const double bound =
          std::min(expected_.out_bound(line, dim),
                   ExactTolerance(value_, inputs_, flat_, want, expected_.weight_sum(line)));
      const double got = LoadElement(out_.dtype, out_.At({token, head, dim}));
      Meet(cell, {row.request, row.row, head, dim, want, got, bound});
    }
    if (lse_.present()) {
      const double got = LoadElement(lse_.dtype, lse_.At({token, head}));
      MeetLse(cell, {row.request, row.row, head, -1, expected_.lse(line), got,
                     expected_.lse_bound(line)});
    }
    return cell;
  }

  std::vector<double> OutRow(const QueryRow& row, int head) const {
    const std::int64_t token = starts_[row.request] + row.row;
    std::vector<double> values(value_.problem.head_dim_v);
    for (int dim = 0; dim < value_.problem.head_dim_v; ++dim) {
      values[dim] = LoadElement(out_.dtype, out_.At({token, head, dim}));
    }
    return values;
  }

  double Lse(const QueryRow& row, int head) const {
    if (!lse_.present()) return std::numeric_limits<double>::quiet_NaN();
    return LoadElement(lse_.dtype, lse_.At({starts_[row.request] + row.row, head}));
  }

 private:
  static void Meet(CellSum& cell, const Element& element) {
    const double ratio = Ratio(element.got, element.expected, element.bound);
    cell.no_number = cell.no_number || !std::isfinite(element.got);
    if (ratio > cell.ratio || (cell.worst.bound == 0 && cell.ratio == 0)) cell.worst = element;
    cell.ratio = std::max(cell.ratio, ratio);
  }

  // -inf says "nothing visible" and admits no tolerance; inf - inf would be NaN.
  static void MeetLse(CellSum& cell, const Element& element) {
    if (std::isinf(element.expected)) {
      if (element.got == element.expected) return;
      cell.no_number = cell.no_number || !std::isfinite(element.got);
      cell.ratio = kInfinity;
      cell.worst = element;
      return;
    }
    Meet(cell, element);
  }

  bool flat_;
  const Case& value_;
  const CaseInputs& inputs_;
  const Expected& expected_;
  TensorView out_;
  TensorView lse_;
  std::vector<std::int64_t> starts_;
};

// First element of rows [0, num tokens) of `tensor` that was never written or is NaN, +inf (or
// -inf, which only an LSE may be); empty if there is none.
std::string FirstUnfit(const Problem& problem, const TensorView& tensor, std::string_view name) {
  if (!tensor.present()) return {};
  const std::vector<std::byte> never = NeverWritten(tensor.dtype);
  const bool is_lse = tensor.shape.size() == 2;
  const std::int64_t dims = is_lse ? 1 : tensor.shape[2];
  const std::int64_t tokens = NumTokens(problem);
  for (std::int64_t token = 0; token < tokens; ++token) {
    for (std::int64_t head = 0; head < tensor.shape[1]; ++head) {
      for (std::int64_t dim = 0; dim < dims; ++dim) {
        const std::byte* at = is_lse ? tensor.At({token, head}) : tensor.At({token, head, dim});
        const double got = LoadElement(tensor.dtype, at);
        if (std::isfinite(got) || (is_lse && got == -kInfinity)) continue;
        const std::string where = is_lse ? fmt::format("lse[{}, {}]", token, head)
                                         : fmt::format("{}[{}, {}, {}]", name, token, head, dim);
        if (std::memcmp(at, never.data(), never.size()) == 0) return where + " was never written";
        return fmt::format("{} is {}", where, got);
      }
    }
  }
  return {};
}

void KeepWorst(std::vector<std::pair<double, Element>>& worst, double ratio,
               const Element& element) {
  const auto after = [](const auto& a, const auto& b) { return a.first > b.first; };
  const std::pair<double, Element> entry{ratio, element};
  worst.insert(std::upper_bound(worst.begin(), worst.end(), entry, after), entry);
  if (worst.size() > kWorstKept) worst.pop_back();
}

std::string DescribeWrongKeys(const std::vector<WrongKey>& keys) {
  if (keys.empty()) return {};
  const WrongKey& first = keys.front();
  return fmt::format("; request {} row {} head {} {} key {}", first.request, first.row, first.head,
                     first.extra ? "sees" : "does not see", first.key);
}

std::string Describe(const Record& record) {
  const Element& worst = record.worst.front();
  const std::string what =
      worst.dim < 0
          ? fmt::format("lse of request {} row {} head {}", worst.request, worst.row, worst.head)
          : fmt::format("request {} row {} head {} dim {}", worst.request, worst.row, worst.head,
                        worst.dim);
  return fmt::format(
      "{}: expected {:.9g}, got {:.9g}, allowed error {:.3g}; {} of {} (row, head) wrong{}", what,
      worst.expected, worst.got, worst.bound, record.wrong_cells_total, record.rows_judged,
      DescribeWrongKeys(record.wrong_keys));
}

}  // namespace

bool HasFlatScores(const Case& value, const CallImage& image) {
  if (value.recipe != Recipe::kVCoded || value.problem.alibi ||
      value.problem.custom_mask == MaskKind::kAdditive) {
    return false;
  }
  const TensorView sinks = image.View("sinks");
  if (!sinks.present()) return true;
  for (std::int64_t head = 0; head < sinks.shape[0]; ++head) {
    if (!(LoadElement(sinks.dtype, sinks.At({head})) <= kLargestFlatSink)) return false;
  }
  return true;
}

// Flat scores, balanced code: the output times the weight sum is a small integer of code units. The
// tolerance holds while rounding the output moves that integer by less than a tenth.
double ExactTolerance(const Case& value, const CaseInputs& inputs, bool flat, double expected,
                      double weight_sum) {
  if (!flat || !(weight_sum > 0)) return kInfinity;
  const double count = std::abs(expected) * weight_sum / inputs.code_unit;
  const double roundoff = FormatOf(value.problem.output_dtype)->unit_roundoff;
  if (roundoff * count > 0.1) return kInfinity;
  return kExactTolerance * inputs.code_unit / weight_sum;
}

void Compare(const Case& value, const CaseInputs& inputs, const CallImage& after,
             const Expected& expected, Record& record) {
  const Problem& problem = value.problem;
  const Comparison comparison(value, inputs, after, expected);
  std::vector<std::pair<double, Element>> worst;
  int decoded = 0;
  record.rule = comparison.flat() ? "exact" : "bound";
  record.rows_total = NumTokens(problem) * problem.num_q_heads;
  record.rows_judged = static_cast<std::int64_t>(expected.rows.size()) * problem.num_q_heads;
  for (std::size_t n = 0; n < expected.rows.size(); ++n) {
    for (int head = 0; head < problem.num_q_heads; ++head) {
      const CellSum cell = comparison.Cell(n, head);
      record.worst_ratio = std::max(record.worst_ratio, cell.ratio);
      if (cell.ratio <= 1.0) continue;
      const QueryRow& row = expected.rows[n];
      ++record.wrong_cells_total;
      KeepWorst(worst, cell.ratio, cell.worst);
      if (record.wrong_cells.size() < kCellsKept) {
        record.wrong_cells.push_back({row.request, row.row, head, RecordedRatio(cell)});
      }
      if (!comparison.flat() || decoded++ >= kRowsDecoded) continue;
      const std::vector<WrongKey> keys = DecodeRow(
          problem, inputs, row, head, comparison.OutRow(row, head), comparison.Lse(row, head));
      record.wrong_keys.insert(record.wrong_keys.end(), keys.begin(), keys.end());
    }
  }
  for (const auto& [ratio, element] : worst) record.worst.push_back(element);
  const std::string unfit_out = FirstUnfit(problem, after.View("out"), "out");
  const std::string unfit =
      unfit_out.empty() ? FirstUnfit(problem, after.View("lse"), "lse") : unfit_out;
  if (record.wrong_cells_total == 0 && unfit.empty()) {
    record.verdict = Verdict::kPass;
    return;
  }
  record.verdict = Verdict::kFail;
  if (!unfit.empty()) record.worst_ratio = kInfinity;
  record.reason = unfit;
  if (!record.worst.empty()) {
    record.reason += (unfit.empty() ? "" : "; ") + Describe(record);
  }
}

bool ZerosWouldFail(const Case& value, const CaseInputs& inputs, const Expected& expected) {
  const bool flat = HasFlatScores(value, inputs.image);
  bool any_visible = false;
  for (Eigen::Index line = 0; line < expected.out.rows(); ++line) {
    any_visible = any_visible || expected.visible[line] > 0;
    for (Eigen::Index dim = 0; dim < expected.out.cols(); ++dim) {
      const double want = expected.out(line, dim);
      const double bound =
          std::min(expected.out_bound(line, dim),
                   ExactTolerance(value, inputs, flat, want, expected.weight_sum(line)));
      if (Ratio(0.0, want, bound) > 1.0) return true;
    }
  }
  return !any_visible;
}

}  // namespace attest
