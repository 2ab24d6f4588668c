// SPDX-License-Identifier: Apache-2.0
#include "conformance/judge/statistics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "conformance/judge/statistics_line.h"

namespace attest {
namespace {

constexpr double kFilterDeviations = 7.0;  // of the scan and of filters
constexpr double kLeastBeta = 0.5;
constexpr std::int64_t kBatchBytes = std::int64_t{1} << 26;
constexpr int kKeysOfALine = 4;
constexpr std::size_t kKeysKept = 64;
constexpr int kFreshSeeds = 3;
constexpr int kRepeats = 2;

// Sums of one filter over all lines.
struct FilterSums {
  double product = 0.0;   // sum of r g w
  double power = 0.0;     // sum of g^2 w
  double variance = 0.0;  // of the first
  double common = 0.0;    // sum over lines of (delta <w g, o>)^2
  double coherent = 0.0;

  double Threshold() const {
    return kFilterDeviations * std::sqrt(variance) + std::sqrt(common) + coherent;
  }
};

class Statistician {
 public:
  explicit Statistician(const StatisticsInput& input) : in_(input), sums_(input.mutants.size()) {}

  Accusation Run() {
    std::vector<std::size_t> batch;  // rows of one request
    const std::vector<QueryRow>& rows = in_.expected.rows;
    for (std::size_t n = 0; n < rows.size(); n += Stride()) {
      if (!batch.empty() && (rows[n].request != rows[batch.front()].request ||
                             batch.size() >= BatchSize(rows[n].request))) {
        JudgeBatch(batch);
        batch.clear();
      }
      batch.push_back(n);
    }
    if (!batch.empty()) JudgeBatch(batch);
    Finish();
    return std::move(accusation_);
  }

  const std::vector<FilterSums>& sums() const { return sums_; }

 private:
  // Every Stride-th row, so that about max_lines lines are looked at.
  std::size_t Stride() const {
    const auto wanted =
        static_cast<std::size_t>(std::max(in_.max_lines / in_.problem.num_q_heads, 1));
    return std::max<std::size_t>((in_.expected.rows.size() + wanted - 1) / wanted, 1);
  }

  // Scores and weights of a batch take 17 bytes for each line and key.
  std::size_t BatchSize(int request) const {
    const std::int64_t row_bytes =
        std::int64_t{17} * in_.problem.num_q_heads *
        std::max<std::int64_t>(in_.problem.requests[static_cast<std::size_t>(request)].seq_len, 1);
    return static_cast<std::size_t>(std::max<std::int64_t>(kBatchBytes / row_bytes, 1));
  }

  void JudgeBatch(const std::vector<std::size_t>& batch) {
    std::vector<QueryRow> rows;
    rows.reserve(batch.size());
    for (const std::size_t n : batch) rows.push_back(in_.expected.rows[n]);
    const Result<Expected> inside = ComputeExpected(in_.problem, in_.tensors, rows, in_.arithmetic,
                                                    {.bound = false, .detail = true});
    if (!inside.ok()) {
      accusation_.not_generic = inside.status().message();
      return;
    }
    const int group = in_.problem.group();
    const auto heads = static_cast<std::size_t>(in_.problem.num_q_heads);
    for (int kv_head = 0; kv_head < in_.problem.num_kv_heads; ++kv_head) {
      const StatisticsHead head =
          GatherHead(in_.problem, in_.tensors, rows.front().request, kv_head);
      for (std::size_t i = 0; i < batch.size(); ++i) {
        for (int h = kv_head * group; h < (kv_head + 1) * group; ++h) {
          JudgeLine(head, batch[i], h, inside->detail[i * heads + static_cast<std::size_t>(h)]);
        }
      }
    }
  }

  void JudgeLine(const StatisticsHead& head, std::size_t n, int q_head, const LineDetail& detail) {
    const auto line = static_cast<Eigen::Index>(n) * in_.problem.num_q_heads + q_head;
    const QueryRow row = in_.expected.rows[n];
    const Eigen::RowVectorXd out = in_.expected.out.row(line);
    const LineModel model = ModelLine(in_.problem, in_.tensors, in_.arithmetic, head, row, q_head,
                                      detail, out, in_.expected.lse[line]);
    const Eigen::RowVectorXd residual = in_.got.row(line) - out;
    if (!model.not_generic.empty() || !residual.allFinite()) {
      if (accusation_.not_generic.empty()) accusation_.not_generic = model.not_generic;
      return;
    }
    ++accusation_.lines;
    JudgeElements(model, line, row, q_head, residual);
    ScanKeys(model, head, row, q_head, detail, out, residual);
    for (std::size_t i = 0; i < in_.mutants.size(); ++i) {
      AddToFilter(model, head, out, in_.mutants[i].delta.row(line), residual, sums_[i]);
    }
  }

  void JudgeElements(const LineModel& model, Eigen::Index line, QueryRow row, int q_head,
                     const Eigen::RowVectorXd& residual) {
    bool outside = false;
    for (Eigen::Index c = 0; c < residual.size(); ++c) {
      const double bound = std::min(model.bound[c], in_.expected.out_bound(line, c));
      const double ratio = std::abs(residual[c]) / bound;
      accusation_.worst_ratio = std::max(accusation_.worst_ratio, ratio);
      if (ratio <= 1.0) continue;
      outside = true;
      if (ratio <= excess_.ratio) continue;
      excess_.ratio = ratio;
      const double exact = in_.expected.out(line, c);
      excess_.worst = {row.request,         row.row, q_head, static_cast<int>(c), exact,
                       exact + residual[c], bound};
    }
    excess_.lines += outside ? 1 : 0;
  }

  // The keys whose value, seen from the output, stands in the residual: strongest first, each taken
  // out before the next is looked for, so that a strong one does not accuse its neighbours.
  void ScanKeys(const LineModel& model, const StatisticsHead& head, QueryRow row, int q_head,
                const LineDetail& detail, const Eigen::RowVectorXd& out,
                Eigen::RowVectorXd residual) {
    const RowMajorMatrix& v = head.keys.values;
    const Eigen::RowVectorXd w = model.variance.cwiseInverse();
    // sum w (v_j - o)^2 of each key.
    const Eigen::VectorXd size =
        ((head.value_squares * w.transpose() - 2.0 * (v * w.cwiseProduct(out).transpose()))
             .array() +
         w.dot(out.cwiseAbs2()))
            .cwiseMax(1e-300);
    const double common = w.cwiseProduct(out).dot(out);
    const Eigen::VectorXd along =  // sum w o (v_j - o)
        (v * w.cwiseProduct(out).transpose()).array() - common;
    // The output holds every key, so score errors of one cause add up along it, whatever key is
    // looked for.
    const double in_output = model.coherent.dot(along.cwiseAbs());
    for (int taken = 0; taken < kKeysOfALine; ++taken) {
      const Eigen::RowVectorXd weighted = w.cwiseProduct(residual);
      const Eigen::VectorXd sums = (v * weighted.transpose()).array() - weighted.dot(out);
      Eigen::Index best = 0;
      double most = 0.0;
      for (Eigen::Index j = 0; j < sums.size(); ++j) {
        // A key's own rounding, and errors along o, are no sign of it.
        const double own = std::sqrt(3.0 * model.on_value[j]) * size[j];
        const double allowed =
            own + model.common * std::abs(along[j]) + model.coherent[j] * size[j] + in_output;
        const double deviations = (std::abs(sums[j]) - allowed) / std::sqrt(size[j]);
        if (deviations > most) {
          most = deviations;
          best = j;
        }
      }
      if (most <= kFilterDeviations) return;
      const double share = sums[best] / size[best];
      AddKey(row, q_head, detail, best, share > 0, most);
      residual -= share * (v.row(best) - out);
    }
  }

  void AddKey(QueryRow row, int q_head, const LineDetail& detail, std::int64_t key, bool extra,
              double deviations) {
    const std::int64_t at = key - detail.first_key;
    const bool visible = at >= 0 && at < static_cast<std::int64_t>(detail.visible.size()) &&
                         detail.visible[static_cast<std::size_t>(at)] != 0;
    accusation_.keys.push_back(
        {.key =
             {.request = row.request, .row = row.row, .head = q_head, .key = key, .extra = extra},
         .visible = visible,
         .deviations = deviations});
  }

  static void AddToFilter(const LineModel& model, const StatisticsHead& head,
                          const Eigen::RowVectorXd& out, const Eigen::RowVectorXd& delta,
                          const Eigen::RowVectorXd& residual, FilterSums& sums) {
    if (!delta.allFinite()) return;
    const Eigen::RowVectorXd g = delta.cwiseQuotient(model.variance);
    sums.product += g.dot(residual);
    sums.power += g.dot(delta);
    const double along = g.dot(out);
    const Eigen::ArrayXd value = (head.keys.values * g.transpose()).array();
    const Eigen::ArrayXd centred = value - along;
    // A weight's rounding moves all columns at once, so it is summed along the delta key by key.
    sums.variance += (model.on_value.array() * value.square()).sum() +
                     (model.on_centred.array() * centred.square()).sum() +
                     g.cwiseAbs2().dot(model.own);
    sums.common += std::pow(model.common * along, 2);
    sums.coherent += (model.coherent.array() * centred.abs()).sum();
  }

  void Finish() {
    if (excess_.lines > 0) accusation_.excess.push_back(excess_);
    const auto stronger = [](const auto& a, const auto& b) { return a.deviations > b.deviations; };
    std::stable_sort(accusation_.keys.begin(), accusation_.keys.end(), stronger);
    if (accusation_.keys.size() > kKeysKept) accusation_.keys.resize(kKeysKept);
    for (std::size_t i = 0; i < sums_.size(); ++i) {
      const FilterSums& sums = sums_[i];
      if (!(sums.power > 0)) continue;
      const double beta = sums.product / sums.power;
      const double strength = sums.product / sums.Threshold();
      if (strength > 1.0 && beta > kLeastBeta) {
        accusation_.filters.push_back({in_.mutants[i].mutant, beta, strength});
      }
    }
    // Where several fit, the one whose delta is there in full comes first.
    std::stable_sort(accusation_.filters.begin(), accusation_.filters.end(),
                     [](const FilterFinding& a, const FilterFinding& b) {
                       return std::abs(a.beta - 1.0) < std::abs(b.beta - 1.0);
                     });
  }

  const StatisticsInput& in_;
  BoundExcess excess_;
  std::vector<FilterSums> sums_;
  Accusation accusation_;
};

std::string KeyText(const KeyFinding& finding) {
  const WrongKey& key = finding.key;
  std::string_view what = "sees the masked";
  if (finding.visible) what = key.extra ? "counts too much of" : "does not see";
  return fmt::format("request {} row {} head {} {} key {} ({:.1f} sigma)", key.request, key.row,
                     key.head, what, key.key, finding.deviations);
}

}  // namespace

Accusation Accuse(const StatisticsInput& input) { return Statistician(input).Run(); }

double FilterPower(const StatisticsInput& input, const PredictedDelta& delta) {
  StatisticsInput one = input;
  one.mutants = {delta};
  Statistician statistician(one);
  const Accusation ignored = statistician.Run();
  const FilterSums& sums = statistician.sums().front();
  return sums.power > 0 ? sums.power / (2.0 * sums.Threshold()) : 0.0;
}

std::string Describe(const Accusation& accusation) {
  std::vector<std::string> parts;
  for (const FilterFinding& filter : accusation.filters) {
    if (!parts.empty()) break;  // the best fit alone
    parts.push_back(fmt::format("like {} (beta {:.2f}, {:.1f} times its threshold)", filter.mutant,
                                filter.beta, filter.strength));
  }
  if (!accusation.keys.empty()) {
    parts.push_back("key spectrum: " + KeyText(accusation.keys.front()));
    if (accusation.keys.size() > 1) {
      parts.back() += fmt::format(", and {} more", accusation.keys.size() - 1);
    }
  }
  for (const BoundExcess& excess : accusation.excess) {
    const Element& e = excess.worst;
    parts.push_back(fmt::format(
        "probabilistic bound: request {} row {} head {} dim {}: expected {:.9g}, got {:.9g}, "
        "{:.2f} times {:.3g}; {} of {} (row, head)",
        e.request, e.row, e.head, e.dim, e.expected, e.got, excess.ratio, e.bound, excess.lines,
        accusation.lines));
  }
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : "; ") + part;
  return text;
}

void Settle(Record& record, const Accusation& first,
            const std::function<Accusation(std::uint64_t fresh_seed)>& again) {
  if (!first.made() || record.verdict != Verdict::kPass) return;
  int repeats = 0;
  for (int i = 1; i <= kFreshSeeds && repeats < kRepeats; ++i) {
    if (repeats + kFreshSeeds - i + 1 < kRepeats) break;
    if (again(record.seed + static_cast<std::uint64_t>(i)).made()) ++repeats;
  }
  if (repeats < kRepeats) {
    record.note = "suspect";
    record.reason = fmt::format("{}; not repeated on fresh seeds", Describe(first));
    return;
  }
  record.verdict = Verdict::kFail;
  record.rule = "statistics";
  record.reason = fmt::format("{}; repeated on {} fresh seeds", Describe(first), repeats);
  for (const KeyFinding& finding : first.keys) record.wrong_keys.push_back(finding.key);
  for (const BoundExcess& excess : first.excess) record.worst.push_back(excess.worst);
}

}  // namespace attest
