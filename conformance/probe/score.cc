// SPDX-License-Identifier: Apache-2.0
#include "conformance/probe/score.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <utility>

#include "conformance/probe/mask_difference.h"
#include "conformance/probe/regression.h"
#include "reference/float_formats.h"

namespace attest {
namespace {

// What the types of a problem can show of a score.
struct Reach {
  double half = 30;     // scores of -half..half keep all weights apart from 0
  double depth = 60;    // a weight e^-depth of the largest is still a number
  double value = 1;     // multiplier of values, so that small outputs keep their digits
  double floor = 1e-6;  // spread of the logarithm of an output, at least
};

Reach ReachOf(const Problem& p) {
  Reach reach;
  const auto format = FormatOf(p.output_dtype);
  reach.floor = std::max(1e-6, format ? 0.8 * format->unit_roundoff : 0.0);
  for (const DType dtype : {p.query_dtype, p.cache_dtype, p.output_dtype}) {
    if (dtype != DType::kFloat16 && SizeOf(dtype) != 1) continue;
    reach.half = 4.5;
    reach.depth = 9;
    reach.value = SizeOf(p.cache_dtype) == 1 ? 64 : 1024;
  }
  return reach;
}

// Of each head, the row that sees the most keys, among the first, middle and last of each request.
ProbeRow WidestRow(const Box& box, int head) {
  ProbeRow widest{.head = head};
  std::int64_t most = -1;
  const auto& requests = box.problem().requests;
  for (std::size_t r = 0; r < requests.size(); ++r) {
    if (requests[r].q_len == 0) continue;
    for (const std::int64_t row : {requests[r].q_len - 1, requests[r].q_len / 2, std::int64_t{0}}) {
      const ProbeRow at{static_cast<int>(r), row, head};
      if (const std::int64_t keys = KeyCount(box.SpecKeys(at)); keys > most) {
        most = keys;
        widest = at;
      }
    }
  }
  return widest;
}

std::vector<std::int64_t> Expand(const std::vector<KeyRange>& runs) {
  std::vector<std::int64_t> keys;
  for (const KeyRange& run : runs) {
    for (std::int64_t key = run.first; key < run.last; ++key) keys.push_back(key);
  }
  return keys;
}

// At most `most` of `keys`, evenly spread.
std::vector<std::int64_t> Spread(const std::vector<std::int64_t>& keys, std::size_t most) {
  if (keys.size() <= most) return keys;
  std::vector<std::int64_t> some;
  for (std::size_t i = 0; i < most; ++i) {
    some.push_back(keys[i * (keys.size() - 1) / std::max<std::size_t>(1, most - 1)]);
  }
  return some;
}

// Numbers 0..count-1 in an order that no position follows.
std::vector<std::size_t> Scattered(std::size_t count) {
  std::size_t step = std::max<std::size_t>(1, count * 5 / 8);
  while (std::gcd(step, count) != 1) ++step;
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < count; ++i) order.push_back(i * step % count);
  return order;
}

class ScoreReader {
 public:
  explicit ScoreReader(Box& box) : box_(box), p_(box.problem()), reach_(ReachOf(p_)) {
    // Where values are the beginning of the keys, the score's column is the last one, and no value
    // is read from it.
    const bool shared = p_.cache_layout == CacheLayout::kSharedLatent;
    key_dim_ = shared ? p_.head_dim_qk - 1 : 0;
    columns_ = shared ? std::min(p_.head_dim_v, p_.head_dim_qk - 1) : p_.head_dim_v;
    key_unit_ = SizeOf(p_.cache_dtype) == 1 ? 64 : 1;
  }

  Result<std::vector<HeadScore>> Scales();
  Result<std::vector<HeadSlope>> Slopes();
  Result<std::vector<HeadSink>> Sinks();
  Result<RowWeights> Weights(const ProbeRow& row);
  Result<RowWeights> ChosenWeights(const ProbeRow& row, const std::vector<std::int64_t>& keys);

 private:
  static constexpr double kWeightDepth = 6;  // scores of weights that are read: -6..0

  std::vector<double> ScoresOf(const ProbeRow& row, double query,
                               const std::vector<std::int64_t>& keys,
                               const std::vector<double>& levels);
  Result<RowWeights> WeightsOf(const ProbeRow& row, const std::vector<std::int64_t>& keys,
                               const std::vector<double>& scores, double rest);
  double SetQueryScore(const ProbeRow& row, double score) {
    // `score` for a key of 1 under the problem's scale, as near as the query's type comes.
    const double query =
        RoundTo(p_.query_dtype, score / (static_cast<double>(p_.scale) * key_unit_));
    box_.SetQuery(box_.TokenOf(row), row.head, key_dim_, query);
    return query;
  }
  double SetKeyLevel(std::int64_t place, double level) {
    const double key = RoundTo(p_.cache_dtype, level * key_unit_);
    for (int h = 0; h < p_.num_kv_heads; ++h) box_.SetKey(place, h, key_dim_, key);
    return key;
  }
  void SetValues(std::int64_t place, int dim, double value) {
    for (int h = 0; h < p_.num_kv_heads; ++h) box_.SetValue(place, h, dim, value);
  }
  double Out(const Answers& answers, const ProbeRow& row, std::size_t column) const {
    return answers.Out(box_.TokenOf(row), row.head, static_cast<int>(column));
  }
  std::vector<ProbeRow> Rows() const {
    std::vector<ProbeRow> rows;
    for (int head = 0; head < p_.num_q_heads; ++head) rows.push_back(WidestRow(box_, head));
    return rows;
  }

  // (x, logarithm of the output) of the columns that show a number, near enough to the largest.
  std::vector<Point> Logarithms(const Answers& answers, const ProbeRow& row,
                                const std::vector<double>& x) const {
    std::vector<Point> points;
    double top = 0;
    for (std::size_t c = 0; c < x.size(); ++c) top = std::max(top, Out(answers, row, c));
    for (std::size_t c = 0; c < x.size(); ++c) {
      const double out = Out(answers, row, c);
      if (out > top * std::exp(-reach_.depth) && std::isfinite(out)) {
        points.push_back({x[c], std::log(out)});
      }
    }
    return points;
  }

  HeadScore FitScore(const ProbeRow& row, const std::vector<Point>& points) const;
  Status OneHot(const std::vector<std::int64_t>& keys, std::size_t request);
  Status SlopeCall(const std::vector<ProbeRow>& rows, bool near, std::vector<HeadSlope>& slopes);
  Result<Answers> SinkCall(const std::vector<ProbeRow>& rows, const std::vector<double>& levels,
                           std::vector<double>& actual);
  double SinkValue(int column) const {
    return RoundTo(p_.cache_dtype,
                   (1.0 + (column % 8) / 8.0) * (SizeOf(p_.cache_dtype) == 1 ? 8 : 1));
  }

  Box& box_;
  const Problem& p_;
  Reach reach_;
  int key_dim_ = 0;
  int columns_ = 0;
  double key_unit_ = 1;
};

// Values of 1 in a column of its own for each key.
Status ScoreReader::OneHot(const std::vector<std::int64_t>& keys, std::size_t request) {
  for (std::size_t c = 0; c < keys.size(); ++c) {
    const std::int64_t place = box_.PlaceOf(request, keys[c]);
    if (place >= 0) SetValues(place, static_cast<int>(c), reach_.value);
  }
  return {};
}

HeadScore ScoreReader::FitScore(const ProbeRow& row, const std::vector<Point>& points) const {
  HeadScore score{.row = row, .points = static_cast<int>(points.size())};
  if (points.size() < 4) {
    const std::string why = fmt::format("only {} keys show in the output", points.size());
    score.scale.why = score.softcap.why = why;
    return score;
  }
  const LineFit line = FitLine(points, reach_.floor);
  const CapFit cap = FitCap(points, reach_.floor);
  const double straight = std::max(line.spread, reach_.floor / 4);
  const bool capped = points.size() >= 6 && straight > 2 * cap.spread;
  score.spread = capped ? cap.spread : line.spread;
  if (score.spread > 12 * reach_.floor) {
    score.scale.why = score.softcap.why = fmt::format(
        "scores are no line of q.k, nor one with a soft cap: {:.2g} is left over", score.spread);
    return score;
  }
  score.scale = {.state = ReadNumber::State::kFound,
                 .value = capped ? cap.slope : line.slope,
                 .error = 2 * (capped ? cap.slope_error : line.slope_error)};
  if (capped) {
    score.softcap = {
        .state = ReadNumber::State::kFound, .value = cap.cap, .error = 2 * cap.cap_error};
    return score;
  }
  double widest = 0;
  for (const Point& point : points) widest = std::max(widest, std::abs(line.slope * point.x));
  // A cap c bends a line over -w..w by 0.05 w^3 / c^2, root mean square.
  const double limit = std::sqrt(0.05 * widest * widest * widest / (2 * straight));
  if (points.size() >= 6 && limit > 1) {
    score.softcap = {.state = ReadNumber::State::kNone,
                     .why = fmt::format("a cap below {:.3g} would show", limit)};
  } else {
    score.softcap.why = "scores stay too small to bend";
  }
  return score;
}

Result<std::vector<HeadScore>> ScoreReader::Scales() {
  box_.Flatten();
  const std::vector<ProbeRow> rows = Rows();
  const ProbeRow shown = rows.front();
  const std::vector<std::int64_t> keys =
      Spread(Expand(box_.SpecKeys(shown)), static_cast<std::size_t>(columns_));
  const auto request = static_cast<std::size_t>(shown.request);
  if (Status status = OneHot(keys, request); !status.ok()) return status;
  const std::vector<std::size_t> order = Scattered(std::max<std::size_t>(1, keys.size()));
  std::vector<double> levels;
  for (std::size_t c = 0; c < keys.size(); ++c) {
    const double level = keys.size() < 2 ? 1.0
                                         : -1.0 + 2.0 * static_cast<double>(order[c]) /
                                                      static_cast<double>(keys.size() - 1);
    levels.push_back(SetKeyLevel(box_.PlaceOf(request, keys[c]), level));
  }
  std::vector<double> queries;
  for (int head = 0; head < p_.num_q_heads; ++head) {
    queries.push_back(SetQueryScore({shown.request, shown.row, head}, reach_.half));
  }
  const Result<Answers> answers = box_.Call();
  if (!answers.ok()) return answers.status();
  std::vector<HeadScore> scores;
  for (int head = 0; head < p_.num_q_heads; ++head) {
    const ProbeRow row{shown.request, shown.row, head};
    std::vector<double> x;
    for (const double level : levels) x.push_back(queries[static_cast<std::size_t>(head)] * level);
    scores.push_back(FitScore(row, Logarithms(*answers, row, x)));
  }
  return scores;
}

Status ScoreReader::SlopeCall(const std::vector<ProbeRow>& rows, bool near,
                              std::vector<HeadSlope>& slopes) {
  box_.Flatten();
  box_.Restore("alibi_slopes");
  const ProbeRow shown = rows.front();
  const auto request = static_cast<std::size_t>(shown.request);
  const std::int64_t position = PositionOf(p_, request, shown.row);
  std::vector<std::int64_t> keys = Expand(box_.SpecKeys(shown));
  if (near) {
    std::stable_sort(keys.begin(), keys.end(), [&](std::int64_t a, std::int64_t b) {
      return std::abs(a - position) < std::abs(b - position);
    });
    keys.resize(std::min(keys.size(), static_cast<std::size_t>(columns_)));
  }
  keys = Spread(keys, static_cast<std::size_t>(columns_));
  if (Status status = OneHot(keys, request); !status.ok()) return status;
  const Result<Answers> answers = box_.Call();
  if (!answers.ok()) return answers.status();
  std::vector<double> distance;
  for (const std::int64_t key : keys) distance.push_back(static_cast<double>(key - position));
  for (HeadSlope& slope : slopes) {
    const std::vector<Point> points =
        Logarithms(*answers, {shown.request, shown.row, slope.row.head}, distance);
    for (const bool left : {true, false}) {
      std::vector<Point> side;
      for (const Point& point : points) {
        if (left == (point.x <= 0)) side.push_back({-std::abs(point.x), point.y});
      }
      ReadNumber& number = left ? slope.left : slope.right;
      if (side.size() < 3) {
        if (number.why.empty()) number.why = "fewer than 3 keys show on this side";
        continue;
      }
      const LineFit fit = FitLine(side, reach_.floor);
      if (fit.spread > 12 * reach_.floor) {
        if (number.state == ReadNumber::State::kUnknown) {
          number.why =
              fmt::format("scores are no line of the distance: {:.2g} is left over", fit.spread);
        }
        continue;
      }
      const double error = 2 * fit.slope_error;
      if (number.state != ReadNumber::State::kUnknown && number.error <= error) continue;
      const bool found = std::abs(fit.slope) > 2 * error;
      number = {.state = found ? ReadNumber::State::kFound : ReadNumber::State::kNone,
                .value = found ? fit.slope : 0.0,
                .error = error,
                .why = found ? "" : fmt::format("a slope above {:.2g} would show", 2 * error)};
    }
  }
  return {};
}

Result<std::vector<HeadSlope>> ScoreReader::Slopes() {
  if (p_.attention_type == AttentionType::kEncoderDecoder) {
    return BadInput("alibi: rows of cross attention have no position, and so no slope");
  }
  const std::vector<ProbeRow> rows = Rows();
  std::vector<HeadSlope> slopes;
  for (const ProbeRow& row : rows) {
    slopes.push_back({.row = {rows.front().request, rows.front().row, row.head}});
  }
  if (Status status = SlopeCall(rows, true, slopes); !status.ok()) return status;
  const bool flat = std::any_of(slopes.begin(), slopes.end(), [](const HeadSlope& slope) {
    return slope.left.error > 1e-3 * std::abs(slope.left.value);
  });
  if (flat && KeyCount(box_.SpecKeys(rows.front())) > columns_) {
    if (Status status = SlopeCall(rows, false, slopes); !status.ok()) return status;
  }
  return slopes;
}

// Every key scores the same; `levels` of each head is that score plus ln(number of keys).
Result<Answers> ScoreReader::SinkCall(const std::vector<ProbeRow>& rows,
                                      const std::vector<double>& levels,
                                      std::vector<double>& actual) {
  box_.Flatten();
  box_.Restore("sinks");
  for (std::size_t place = 0; place < box_.places().size(); ++place) {
    const auto at = static_cast<std::int64_t>(place);
    SetKeyLevel(at, 1.0);
    for (int c = 0; c < columns_; ++c) SetValues(at, c, SinkValue(c));
  }
  actual.clear();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double keys = std::log(static_cast<double>(KeyCount(box_.SpecKeys(rows[i]))));
    const double query = SetQueryScore(rows[i], levels[i] - keys);
    double score = query * key_unit_ * static_cast<double>(p_.scale);
    if (p_.softcap > 0) score = p_.softcap * std::tanh(score / p_.softcap);
    actual.push_back(score + keys);
  }
  return box_.Call();
}

Result<std::vector<HeadSink>> ScoreReader::Sinks() {
  constexpr double kDeep = -12;
  constexpr double kAll = 0.98;  // share of the keys' weight above which a sink hardly shows
  const std::vector<ProbeRow> rows = Rows();
  std::vector<HeadSink> sinks;
  for (const ProbeRow& row : rows) {
    if (KeyCount(box_.SpecKeys(row)) == 0) return BadInput("sinks: no row sees a key");
    sinks.push_back({.row = row});
  }
  const auto share = [&](const Answers& answers, std::size_t i) {
    double sum = 0;
    for (int c = 0; c < columns_; ++c) {
      sum += Out(answers, rows[i], static_cast<std::size_t>(c)) / SinkValue(c) / columns_;
    }
    return sum;
  };
  std::vector<double> centre(rows.size(), NAN);
  std::vector<double> actual;
  for (const double level : {0.0, kDeep}) {
    const Result<Answers> answers = SinkCall(rows, std::vector<double>(rows.size(), level), actual);
    if (!answers.ok()) return answers.status();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const double seen = share(*answers, i);
      if (!std::isnan(centre[i]) || !(seen > 0) || seen >= kAll) {
        if (!(seen >= 0)) sinks[i].logit.why = "the output is no number";
        if (seen == 0)
          sinks[i].logit.why = "the output is 0: a sink that outweighs all keys, or no key is seen";
        continue;
      }
      centre[i] = actual[i] + std::log(1 / seen - 1);
    }
  }
  std::vector<double> levels;
  for (const double at : centre) levels.push_back(std::isnan(at) ? 0.0 : at);
  const Result<Answers> answers = SinkCall(rows, levels, actual);
  if (!answers.ok()) return answers.status();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (std::isnan(centre[i])) {
      if (!sinks[i].logit.why.empty()) continue;
      sinks[i].logit.state = ReadNumber::State::kNone;
      sinks[i].logit.why = fmt::format("a sink above {:.3g} would show", kDeep - 4);
      continue;
    }
    const double seen = share(*answers, i);
    if (!(seen > 0 && seen < 1)) {
      sinks[i].logit.why = "the output does not follow the scores as a sink makes it";
      continue;
    }
    sinks[i].logit = {
        .state = ReadNumber::State::kFound,
        .value = actual[i] + std::log(1 / seen - 1),
        .error = 2 * reach_.floor / (seen * (1 - seen)) / std::sqrt(std::min(8, columns_)) +
                 1e-6 * std::abs(actual[i])};
    if (!answers->has_lse()) continue;
    const double lse = answers->Lse(box_.TokenOf(rows[i]), rows[i].head);
    const double over = std::exp(lse - actual[i]) - 1;
    if (over > 1e-4) {
      sinks[i].lse_logit = {.state = ReadNumber::State::kFound,
                            .value = actual[i] + std::log(over),
                            .error = 2e-6 * (1 + 1 / over) * (1 + std::abs(lse))};
    } else {
      sinks[i].lse_logit = {.state = ReadNumber::State::kNone, .why = "the LSE leaves it out"};
    }
  }
  return sinks;
}

Result<RowWeights> ScoreReader::Weights(const ProbeRow& row) {
  const std::vector<std::int64_t> keys = Expand(box_.SpecKeys(row));
  if (keys.empty()) return RowWeights{.row = row};
  std::vector<double> levels;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    levels.push_back(-static_cast<double>(i) / static_cast<double>(keys.size()));
  }
  box_.Flatten();
  const double query = SetQueryScore(row, kWeightDepth);
  return WeightsOf(row, keys, ScoresOf(row, query, keys, levels), 0.0);
}

Result<RowWeights> ScoreReader::ChosenWeights(const ProbeRow& row,
                                              const std::vector<std::int64_t>& keys) {
  constexpr double kSilent = -100.0;
  box_.Flatten();
  const double query = SetQueryScore(row, kWeightDepth);
  std::vector<double> levels;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    levels.push_back(static_cast<double>(i + 1) / static_cast<double>(keys.size()) - 1.0);
  }
  const std::vector<std::int64_t> all = Expand(box_.SpecKeys(row));
  const std::vector<double> silent(all.size(), kSilent / kWeightDepth);
  const std::vector<double> others = ScoresOf(row, query, all, silent);
  const double each = others.empty() ? 0.0 : std::exp(others[0]);
  return WeightsOf(row, keys, ScoresOf(row, query, keys, levels),
                   each * static_cast<double>(all.size() - keys.size()));
}

// Gives each key its level, and says what it then scores.
std::vector<double> ScoreReader::ScoresOf(const ProbeRow& row, double query,
                                          const std::vector<std::int64_t>& keys,
                                          const std::vector<double>& levels) {
  std::vector<double> scores;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const std::int64_t place = box_.PlaceOf(static_cast<std::size_t>(row.request), keys[i]);
    double score = query * SetKeyLevel(place, levels[i]) * static_cast<double>(p_.scale);
    if (p_.softcap > 0) score = p_.softcap * std::tanh(score / p_.softcap);
    scores.push_back(score);
  }
  return scores;
}

// Reads `keys`, which score `scores`, beside others whose weights e^score add up to `rest`.
Result<RowWeights> ScoreReader::WeightsOf(const ProbeRow& row,
                                          const std::vector<std::int64_t>& keys,
                                          const std::vector<double>& scores, double rest) {
  const auto request = static_cast<std::size_t>(row.request);
  RowWeights weights{.row = row};
  double sum = rest;
  for (const double score : scores) sum += std::exp(score);
  // Of the weight and of the output: two roundings of the output's type.
  weights.error = 3 * reach_.floor;
  for (std::size_t first = 0; first < keys.size(); first += static_cast<std::size_t>(columns_)) {
    const std::size_t last = std::min(keys.size(), first + static_cast<std::size_t>(columns_));
    const std::vector<std::int64_t> some(keys.begin() + static_cast<std::ptrdiff_t>(first),
                                         keys.begin() + static_cast<std::ptrdiff_t>(last));
    if (Status status = OneHot(some, request); !status.ok()) return status;
    const Result<Answers> answers = box_.Call();
    if (!answers.ok()) return answers.status();
    for (std::size_t i = first; i < last; ++i) {
      const double expected = std::exp(scores[i]) / sum;
      const double weight = Out(*answers, row, i - first) / reach_.value;
      weights.keys.push_back({keys[i], weight, expected});
      const double off = std::abs(weight / expected - 1);
      if (!(off <= weights.worst)) weights.worst = off;
      SetValues(box_.PlaceOf(request, keys[i]), static_cast<int>(i - first), 0.0);
    }
  }
  return weights;
}

}  // namespace

Result<std::vector<HeadScore>> ReadScale(Box& box) { return ScoreReader(box).Scales(); }
Result<std::vector<HeadSlope>> ReadSlopes(Box& box) { return ScoreReader(box).Slopes(); }
Result<std::vector<HeadSink>> ReadSinks(Box& box) { return ScoreReader(box).Sinks(); }
Result<RowWeights> ReadWeights(Box& box, const ProbeRow& row) {
  return ScoreReader(box).Weights(row);
}
Result<RowWeights> ReadChosenWeights(Box& box, const ProbeRow& row,
                                     const std::vector<std::int64_t>& keys) {
  return ScoreReader(box).ChosenWeights(row, keys);
}

}  // namespace attest
