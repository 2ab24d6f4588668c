// SPDX-License-Identifier: Apache-2.0
#include "conformance/mutants/attention.h"

#include <algorithm>
#include <cmath>

namespace attest {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<double> LoadQuery(const Call& call, const Row& row) {
  const attest_tensor_t& query = call.args.query;
  const Format format = FormatOfAbi(query.dtype);
  std::vector<double> line(static_cast<std::size_t>(call.problem.head_dim_qk));
  for (std::size_t i = 0; i < line.size(); ++i) {
    const auto column = static_cast<std::int64_t>(i);
    const std::int64_t offset = call.hooks.query_offset != nullptr
                                    ? call.hooks.query_offset(call, row, column)
                                    : OffsetOf(query, {row.token, row.head, column});
    line[i] = InSpan(query, offset) ? Decode(format, AtOffset(query, offset)) : 0.0;
  }
  if (call.hooks.query != nullptr) call.hooks.query(call, row, line);
  return line;
}

ScoreParts PartsOf(const Call& call, const Row& row, std::int64_t key) {
  ScoreParts parts;
  parts.scale = call.problem.scale;
  parts.softcap = call.problem.softcap;
  if (call.Has(ATTEST_FLAG_ALIBI)) {
    parts.slope = Decode(Format::kFloat32, AddressOf(call.args.alibi_slopes, {row.head}));
    parts.distance = static_cast<double>(std::abs(row.position - key));
  }
  const attest_tensor_t& mask = call.args.custom_mask;
  if (call.problem.custom_mask_kind == ATTEST_MASK_ADDITIVE) {
    const std::int64_t offset = call.hooks.mask_offset != nullptr
                                    ? call.hooks.mask_offset(call, row, key)
                                    : OffsetOf(mask, {row.request, row.head, row.index, key});
    if (InSpan(mask, offset)) {
      parts.additive = Decode(FormatOfAbi(mask.dtype), AtOffset(mask, offset));
    }
  }
  if (call.hooks.parts != nullptr) call.hooks.parts(call, row, key, parts);
  return parts;
}

double ScoreWith(const Call& call, const Row& row, const std::vector<double>& query,
                 std::int64_t key) {
  const std::vector<double> line = LoadLine(call, row, key, Side::kKey);
  const auto columns =
      static_cast<std::size_t>(call.hooks.score_columns != nullptr ? call.hooks.score_columns(call)
                                                                   : call.problem.head_dim_qk);
  double dot = 0;
  for (std::size_t i = 0; i < columns; ++i) dot += query[i] * line[i];
  const ScoreParts parts = PartsOf(call, row, key);
  if (call.hooks.score != nullptr) return call.hooks.score(call, row, parts, dot);
  return Compose(parts, dot);
}

std::vector<Scored> ScoresOf(const Call& call, const Row& row, const Terms& terms) {
  const std::vector<double> query = LoadQuery(call, row);
  std::vector<Scored> scores;
  for (std::int64_t key = terms.first; key < terms.last; ++key) {
    const bool visible = call.hooks.visible != nullptr ? call.hooks.visible(call, row, terms, key)
                                                       : Visible(call, row, terms, key);
    if (visible) {
      if (HasSlot(call, row, key)) scores.push_back({key, ScoreWith(call, row, query, key)});
    } else if (call.hooks.masked != nullptr && HasSlot(call, row, key)) {
      call.hooks.masked(call, row, key, scores);
    }
  }
  return scores;
}

double Weight(const SoftmaxRules& rules, double score, double maximum) {
  const double weight = std::exp(score - maximum);
  const auto narrow = static_cast<double>(static_cast<float>(weight));
  return rules.float_weights && (narrow == 0 || std::isinf(narrow)) ? narrow : weight;
}

void Accumulate(double weight, const std::vector<double>& value, std::vector<double>& sum) {
  for (std::size_t d = 0; d < sum.size(); ++d) sum[d] += weight * value[d];
}

double MaximumOf(const std::vector<Scored>& scores, const SoftmaxRules& rules) {
  if (!rules.subtract_maximum) return 0.0;
  double maximum = std::max(rules.sink, rules.maximum_floor);
  for (const Scored& scored : scores) maximum = std::max(maximum, scored.score);
  return rules.phantoms > 0 ? std::max(maximum, 0.0) : maximum;
}

// An output that was accumulated against an older maximum counts e^(new - old) times too much.
void ForgetRescale(const std::vector<Scored>& scores, std::int64_t tile, double maximum,
                   std::vector<double>& factor) {
  double running = -kInfinity;
  for (std::size_t i = 0; i < scores.size();) {
    std::size_t end = i;
    const std::int64_t number = scores[i].key / tile;
    for (; end < scores.size() && scores[end].key / tile == number; ++end) {
      running = std::max(running, scores[end].score);
    }
    for (; i < end; ++i) factor[i] = std::exp(std::min(maximum - running, 700.0));
  }
}

Answer OneState(const Call& call, const Row& row, const std::vector<Scored>& scores,
                const SoftmaxRules& rules) {
  Answer answer;
  answer.out.assign(static_cast<std::size_t>(call.problem.head_dim_v), 0.0);
  answer.sink = rules.sink;
  answer.visible = static_cast<std::int64_t>(scores.size());
  answer.maximum = MaximumOf(scores, rules);
  if (answer.maximum == -kInfinity) return answer;  // nothing to see
  std::vector<double> factor(scores.size(), 1.0);
  if (rules.stale_tile > 0) ForgetRescale(scores, rules.stale_tile, answer.maximum, factor);
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const double weight = Weight(rules, scores[i].score, answer.maximum);
    answer.denominator += weight;
    if (!scores[i].with_value) continue;
    Accumulate(weight * factor[i], LoadLine(call, row, scores[i].key, Side::kValue), answer.out);
  }
  if (rules.phantoms > 0) {  // else their weight may be infinite
    answer.denominator += static_cast<double>(rules.phantoms) * Weight(rules, 0.0, answer.maximum);
  }
  answer.denominator += rules.sink_count * Weight(rules, rules.sink, answer.maximum);
  for (double& value : answer.out) value /= answer.denominator;
  if (scores.empty()) std::fill(answer.out.begin(), answer.out.end(), 0.0);
  answer.lse = answer.maximum + std::log(answer.denominator);
  return answer;
}

// Partial states of `rules.split` keys, outputs stored in the output's type, merged by their LSE.
Answer SplitStates(const Call& call, const Row& row, const std::vector<Scored>& scores,
                   const SoftmaxRules& rules) {
  const Format stored = FormatOfAbi(call.problem.output_dtype);
  std::vector<Answer> parts;
  SoftmaxRules part_rules = rules;
  for (std::size_t i = 0; i < scores.size();) {
    const auto number = [&](std::size_t n) {
      return (scores[n].key + rules.split - rules.split_origin % rules.split) / rules.split;
    };
    const std::int64_t first = number(i);
    std::vector<Scored> part;
    for (; i < scores.size() && number(i) == first; ++i) part.push_back(scores[i]);
    part_rules.sink = parts.empty() ? rules.sink : -kInfinity;
    parts.push_back(OneState(call, row, part, part_rules));
    for (double& value : parts.back().out) value = Through(stored, value);
  }
  Answer whole = OneState(call, row, scores, rules);
  if (parts.size() < 2) return whole;
  if (rules.splits_backwards) std::reverse(parts.begin(), parts.end());
  std::vector<double> out(whole.out.size(), 0.0);
  for (const Answer& part : parts) {
    const auto weight = static_cast<float>(std::exp(part.lse - whole.lse));
    for (std::size_t d = 0; d < out.size(); ++d) {
      out[d] = static_cast<float>(out[d]) +
               static_cast<float>(static_cast<double>(weight) * part.out[d]);
    }
  }
  whole.out = std::move(out);
  return whole;
}

Answer AnswerOf(const Call& call, const Row& row) {
  Terms terms = TermsOf(call, row);
  if (call.hooks.terms != nullptr) call.hooks.terms(call, row, terms);
  const std::vector<Scored> scores = ScoresOf(call, row, terms);
  SoftmaxRules rules;
  if (call.Has(ATTEST_FLAG_SINKS)) {
    rules.sink = Decode(Format::kFloat32, AddressOf(call.args.sinks, {row.head}));
  }
  if (call.hooks.softmax != nullptr) call.hooks.softmax(call, row, terms, rules);
  Answer answer =
      rules.split > 0 ? SplitStates(call, row, scores, rules) : OneState(call, row, scores, rules);
  if (call.hooks.finish != nullptr) call.hooks.finish(call, row, scores, answer);
  return answer;
}

void WriteAnswer(const Call& call, const Row& row, const Answer& answer, const Put& put) {
  const attest_tensor_t& out = call.args.out;
  const std::int64_t token = row.start + row.index;
  for (std::int64_t d = 0; d < call.problem.head_dim_v; ++d) {
    const std::int64_t offset = call.hooks.out_offset != nullptr
                                    ? call.hooks.out_offset(call, row, d)
                                    : OffsetOf(out, {token, row.head, d});
    if (InSpan(out, offset)) put(Output::kOut, offset, answer.out[static_cast<std::size_t>(d)]);
  }
  if (!call.Has(ATTEST_FLAG_LSE)) return;
  if (call.hooks.writes_lse != nullptr && !call.hooks.writes_lse(call, row)) return;
  const std::int64_t offset = call.hooks.lse_offset != nullptr
                                  ? call.hooks.lse_offset(call, row)
                                  : OffsetOf(call.args.lse, {token, row.head});
  if (InSpan(call.args.lse, offset)) put(Output::kLse, offset, answer.lse);
}

}  // namespace

double Compose(const ScoreParts& parts, double dot) {
  double score = parts.scale * dot;
  if (parts.softcap > 0) score = parts.softcap * std::tanh(score / parts.softcap);
  return score + parts.additive - parts.slope * parts.distance;
}

double ScoreOf(const Call& call, const Row& row, std::int64_t key) {
  return ScoreWith(call, row, LoadQuery(call, row), key);
}

void ComputeLine(const Call& call, std::int64_t request, std::int64_t index, std::int64_t head,
                 const Put& put) {
  const Row row = MakeRow(call, request, index, head);
  if (call.hooks.writes != nullptr && !call.hooks.writes(call, row)) return;
  WriteAnswer(call, row, AnswerOf(call, row), put);
}

void ScalarForward(const Call& call, const Put& put) {
  for (std::int64_t r = 0; r < call.problem.num_requests; ++r) {
    const std::int64_t q_len = QueryLen(call, r);
    for (std::int64_t i = 0; i < q_len; ++i) {
      for (std::int64_t h = 0; h < call.problem.num_q_heads; ++h) ComputeLine(call, r, i, h, put);
    }
  }
  if (call.hooks.after != nullptr) call.hooks.after(call, put);
}

}  // namespace attest
