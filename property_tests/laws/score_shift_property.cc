// SPDX-License-Identifier: Apache-2.0
//
// A number added to all scores of a row changes nothing in its output, and is added to its LSE.
//
// The last column of every key is 0, and then the same number everywhere: each score of a row moves
// by scale times that number times the last column of the query. A soft cap or a sink would see it,
// and scales by token would make it another number for each key.
#include <cmath>

#include "property_tests/laws/agree.h"
#include "property_tests/laws/key_rows.h"
#include "reference/float_formats.h"

namespace attest {
namespace {

CaseInputs WithColumn(const CaseInputs& inputs, const Problem& problem, double number) {
  CaseInputs changed = inputs;
  KeyRows keys(problem, changed.image);
  for (std::size_t r = 0; r < problem.requests.size(); ++r) {
    if (problem.requests[r].q_len == 0) continue;
    for (std::int64_t key = 0; key < problem.requests[r].seq_len; ++key) {
      for (int head = 0; head < problem.num_kv_heads; ++head) {
        keys.SetKey({r, key, head}, problem.head_dim_qk - 1, number);
      }
    }
  }
  return changed;
}

void CheckLse(const NumberPlace& place, const JudgedCall& first, const JudgedCall& second,
              double shift) {
  const Number a = NumberAt(first, place.row.token, place.head, -1);
  const Number b = NumberAt(second, place.row.token, place.head, -1);
  const double allowed = a.bound + b.bound;
  ExpectLawful("shifted scores", place, b.want, a.want + shift, allowed);
  ExpectNear("shifted scores", place, b.got, a.got + shift,
             allowed + (std::isinf(a.want) ? 0.0 : std::abs(b.want - a.want - shift)));
}

void Check(Subject& subject, const Sample& sample) {
  const Problem& problem = sample.problem;
  const CaseInputs inputs = Subject::Build(sample);
  CaseInputs shifted = WithColumn(inputs, problem, sample.seed % 2 == 0 ? 2.0 : 16.0);
  const JudgedCall first = subject.Ask(problem, WithColumn(inputs, problem, 0.0), "forward");
  const JudgedCall second = subject.Ask(problem, shifted, "shifted scores");
  const std::vector<RowPair> rows = AllRowPairs(problem);
  JudgedCall without_lse = first;
  without_lse.problem.lse = false;  // which is not equal, and is looked at below
  ExpectEqualRows("shifted scores", without_lse, second, rows);
  if (!problem.lse) return;
  const KeyRows keys(problem, shifted.image);
  const TensorView query = inputs.image.View("query");
  const int column = problem.head_dim_qk - 1;
  for (const RowPair& row : rows) {
    const auto request = static_cast<std::size_t>(row.request);
    for (int head = 0; head < problem.num_q_heads; ++head) {
      const double q = LoadElement(query.dtype, query.At({row.token, head, column}));
      const bool any = problem.requests[request].seq_len > 0;
      const double k = any ? keys.Key({request, 0, head / problem.group()}, column) : 0.0;
      CheckLse({row, head, -1}, first, second, static_cast<double>(problem.scale) * q * k);
    }
  }
}

bool Applies(const Sample& sample) {
  const Problem& p = sample.problem;
  return p.softcap == 0 && !p.sinks && p.kv_scale_kind != KvScaleKind::kPerTokenHead &&
         (p.cache_layout != CacheLayout::kSharedLatent || p.head_dim_v < p.head_dim_qk);
}

void Fit(const Claims& claims, Dice&, Sample& sample) {
  Problem& p = sample.problem;
  p.softcap = 0;
  p.sinks = false;
  if (p.kv_scale_kind == KvScaleKind::kPerTokenHead) {
    p.kv_scale_kind = KvScaleKind::kNone;
    if (p.cache_dtype == DType::kInt8) p.cache_dtype = claims.cache_dtypes.front();
  }
  if (p.cache_layout == CacheLayout::kSharedLatent && p.head_dim_v == p.head_dim_qk) {
    p.cache_layout = CacheLayout::kNhd;
  }
}

}  // namespace

Law ScoreShiftLaw() {
  return {.name = "score-shift",
          .sentence =
              "A number added to all scores of a row is added to its LSE and changes "
              "nothing in its output.",
          .fit = Fit,
          .applies = Applies,
          .check = Check};
}

}  // namespace attest
