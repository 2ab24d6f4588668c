// SPDX-License-Identifier: Apache-2.0
#include "conformance/eval/judge_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "conformance/eval/user_output.h"
#include "reference/float_formats.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kWorstKept = 8;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// How the numbers of a file are read: as the output's own type, or as a wider one that they were
// converted to because NumPy has no bfloat16.
struct Reading {
  DType dtype = DType::kNone;  // kNone: float64
  int size = 8;

  double Load(const std::byte* address) const {
    if (dtype != DType::kNone) return LoadElement(dtype, address);
    double value = 0.0;
    std::memcpy(&value, address, sizeof(value));
    return value;
  }
};

Result<Reading> ReadingOf(const NpyArray& array, DType dtype) {
  if (CanHold(array.type, dtype)) return Reading{dtype, array.type.size};
  if (array.type == NpyType{'f', 4}) return Reading{DType::kFloat32, 4};
  if (array.type == NpyType{'f', 8}) return Reading{DType::kNone, 8};
  const std::string stored = Name(StoredAs(dtype));
  return BadInput(fmt::format(
      "{}: {}, expected {}{}, or converted to {}float64", array.path, Name(array.type), Name(dtype),
      stored == Name(dtype) ? "" : " as " + stored, dtype == DType::kFloat32 ? "" : "float32 or "));
}

// Error over bound; > 1 is wrong. What is not finite must be met exactly.
double RatioOf(double got, double expected, double bound) {
  if (std::isnan(expected)) return std::isnan(got) ? 0.0 : kInfinity;
  if (std::isinf(expected)) return got == expected ? 0.0 : kInfinity;
  const double error = std::abs(got - expected);
  if (!(error <= bound)) return bound > 0 && std::isfinite(error) ? error / bound : kInfinity;
  return bound > 0 ? error / bound : 0.0;
}

class Judge {
 public:
  Judge(const UserProblem& about, const Expected& expected) : about_(about), expected_(expected) {}

  Status Take(const NpyArray& array, LineKind kind, DType dtype) {
    const std::vector<std::int64_t> shape = LineShape(about_, kind);
    if (array.shape != shape) {
      return BadInput(fmt::format("{}: shape {}, expected {}", array.path, ShapeText(array.shape),
                                  ShapeText(shape)));
    }
    const Result<Reading> reading = ReadingOf(array, dtype);
    if (!reading.ok()) return reading.status();
    const int columns = kind == LineKind::kOut ? about_.problem.head_dim_v : 0;
    const LineFinder finder(about_, kind, array.strides);
    wrong_.resize(expected_.rows.size() * static_cast<std::size_t>(about_.problem.num_q_heads));
    if (columns > 0) judgement_.got.resize(expected_.out.rows(), columns);
    if (columns == 0) judgement_.got_lse.resize(expected_.out.rows());
    std::int64_t rounded = 0;
    for (std::size_t n = 0; n < expected_.rows.size(); ++n) {
      for (int head = 0; head < about_.problem.num_q_heads; ++head) {
        const LinePlace place = finder.At(expected_.rows[n], head);
        for (int c = 0; c < std::max(columns, 1); ++c) {
          const std::int64_t at = (place.first + c * place.step) * reading->size;
          const double got = reading->Load(array.bytes.data() + at);
          if (std::isfinite(got) && reading->dtype != dtype && RoundTo(dtype, got) != got) {
            ++rounded;
          }
          Meet(n, head, columns == 0 ? -1 : c, got);
        }
      }
    }
    if (rounded > 0) {
      judgement_.notes.push_back(fmt::format("{}: {} numbers are no {}; the bound is that of {}",
                                             array.path, rounded, Name(dtype), Name(dtype)));
    }
    return {};
  }

  OutputJudgement Done() {
    judgement_.lines = static_cast<std::int64_t>(wrong_.size());
    judgement_.wrong_lines = std::count(wrong_.begin(), wrong_.end(), true);
    for (const auto& [ratio, element] : worst_) {
      if (ratio > 1.0 || judgement_.worst.empty()) judgement_.worst.push_back(element);
    }
    return std::move(judgement_);
  }

 private:
  void Meet(std::size_t n, int head, int column, double got) {
    const auto line = static_cast<Eigen::Index>(n) * about_.problem.num_q_heads + head;
    if (column < 0) {
      judgement_.got_lse[line] = got;
    } else {
      judgement_.got(line, column) = got;
    }
    const double want = column < 0 ? expected_.lse[line] : expected_.out(line, column);
    const double bound = column < 0 ? expected_.lse_bound[line] : expected_.out_bound(line, column);
    const double ratio = RatioOf(got, want, bound);
    ++judgement_.elements;
    if (ratio > 1.0) {
      ++judgement_.wrong_elements;
      wrong_[static_cast<std::size_t>(line)] = true;
    }
    judgement_.worst_ratio = std::max(judgement_.worst_ratio, ratio);
    if (worst_.size() == kWorstKept && ratio <= worst_.back().first) return;
    const QueryRow& row = expected_.rows[n];
    const auto after = [](const auto& a, const auto& b) { return a.first > b.first; };
    const std::pair<double, Element> entry{ratio,
                                           {row.request, row.row, head, column, want, got, bound}};
    worst_.insert(std::upper_bound(worst_.begin(), worst_.end(), entry, after), entry);
    if (worst_.size() > kWorstKept) worst_.pop_back();
  }

  const UserProblem& about_;
  const Expected& expected_;
  OutputJudgement judgement_;
  std::vector<bool> wrong_;  // a line
  std::vector<std::pair<double, Element>> worst_;
};

std::string Where(const Element& e) {
  const std::string column = e.dim < 0 ? "lse" : fmt::format("column {}", e.dim);
  return fmt::format("request {}, row {}, head {}, {}", e.request, e.row, e.head, column);
}

std::string ElementText(const Element& e) {
  std::string text = fmt::format("{}: expected {:.9g}, got {:.9g}", Where(e), e.expected, e.got);
  const double error = std::abs(e.got - e.expected);
  if (std::isfinite(error)) {
    text += fmt::format(", off by {:.3g}, bound {:.3g}", error, e.bound);
    if (e.bound > 0) text += fmt::format(" (x{:.3g})", error / e.bound);
  }
  return text;
}

// JSON has no infinity and no NaN; they stand as words.
Json Number(double value) {
  if (std::isfinite(value)) return value;
  return std::isnan(value) ? "nan" : (value > 0 ? "inf" : "-inf");
}

}  // namespace

Result<OutputJudgement> JudgeOutput(const UserProblem& about, const Expected& expected,
                                    const NpyArray& out, const NpyArray& lse) {
  Judge judge(about, expected);
  if (Status s = judge.Take(out, LineKind::kOut, about.problem.output_dtype); !s.ok()) return s;
  if (lse.present()) {
    if (Status s = judge.Take(lse, LineKind::kNumber, DType::kFloat32); !s.ok()) return s;
  }
  return judge.Done();
}

nlohmann::ordered_json ToJson(const OutputJudgement& judgement, const std::string& arithmetic) {
  Json worst = Json::array();
  for (const Element& e : judgement.worst) {
    Json column = e.dim < 0 ? Json("lse") : Json(e.dim);
    worst.push_back({{"request", e.request},
                     {"row", e.row},
                     {"head", e.head},
                     {"column", std::move(column)},
                     {"expected", Number(e.expected)},
                     {"got", Number(e.got)},
                     {"bound", Number(e.bound)}});
  }
  return {{"verdict", judgement.pass() ? "pass" : "fail"},
          {"arithmetic", arithmetic},
          {"lines", judgement.lines},
          {"wrong_lines", judgement.wrong_lines},
          {"elements", judgement.elements},
          {"wrong_elements", judgement.wrong_elements},
          {"worst_ratio", Number(judgement.worst_ratio)},
          {"worst", std::move(worst)},
          {"notes", judgement.notes}};
}

std::string JudgementText(const OutputJudgement& judgement, const std::string& arithmetic) {
  std::string text;
  if (judgement.pass()) {
    text = fmt::format(
        "pass: {} numbers of {} (row, head) lines are within their bounds, arithmetic class {}\n",
        judgement.elements, judgement.lines, arithmetic);
  } else {
    text = fmt::format(
        "fail: {} of {} numbers, in {} of {} (row, head) lines, are outside their bounds, "
        "arithmetic class {}\n",
        judgement.wrong_elements, judgement.elements, judgement.wrong_lines, judgement.lines,
        arithmetic);
  }
  for (std::size_t i = 0; i < judgement.worst.size(); ++i) {
    text +=
        fmt::format("{}{}\n", i == 0 ? "  worst  " : "         ", ElementText(judgement.worst[i]));
  }
  for (const std::string& note : judgement.notes) text += fmt::format("  note: {}\n", note);
  return text;
}

}  // namespace attest
