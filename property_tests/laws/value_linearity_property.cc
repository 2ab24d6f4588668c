// SPDX-License-Identifier: Apache-2.0
//
// The output is linear in the values: what it is with the values of the even keys alone, less what
// it is with the negated values of the odd keys alone, is what it is with all of them. The LSE does
// not see the values.
//
// Zeros and changes of sign are exact, so that nothing is rounded that was not before.
#include <cmath>

#include "property_tests/laws/agree.h"
#include "property_tests/laws/key_rows.h"

namespace attest {
namespace {

// Only every second key, from `first` on, keeps its values, times `sign`; the others get zeros.
CaseInputs Thinned(const CaseInputs& inputs, const Problem& problem, std::int64_t first,
                   double sign) {
  CaseInputs whole = inputs;
  CaseInputs thinned = inputs;
  const KeyRows original(problem, whole.image);  // pages may be shared, and so written twice
  KeyRows keys(problem, thinned.image);
  for (std::size_t r = 0; r < problem.requests.size(); ++r) {
    for (std::int64_t key = 0; key < problem.requests[r].seq_len; ++key) {
      for (int head = 0; head < problem.num_kv_heads; ++head) {
        const KeyPlace place{r, key, head};
        for (int dim = 0; dim < problem.head_dim_v; ++dim) {
          const double kept = sign * original.Value(place, dim);
          keys.SetValue(place, dim, key % 2 == first ? kept : 0.0);
          if (key % 2 == first && keys.Value(place, dim) != kept && kept == kept) {
            EndAsForeign("the type has a value without its opposite");  // int8: -128
          }
        }
      }
    }
  }
  return thinned;
}

void CheckPlace(const NumberPlace& place, const JudgedCall& whole, const JudgedCall& even,
                const JudgedCall& odd) {
  const Number sum = NumberAt(whole, place.row.token, place.head, place.dim);
  const Number a = NumberAt(even, place.row.token, place.head, place.dim);
  const Number b = NumberAt(odd, place.row.token, place.head, place.dim);
  const double allowed = sum.bound + a.bound + b.bound;
  const char* const how = "values of even keys less negated ones of odd keys";
  ExpectLawful(how, place, sum.want, a.want - b.want, allowed);
  ExpectNear(how, place, a.got - b.got, sum.got, allowed + std::abs(sum.want - a.want + b.want));
}

void Check(Subject& subject, const Sample& sample) {
  const Problem& problem = sample.problem;
  const CaseInputs inputs = Subject::Build(sample);
  const JudgedCall whole = subject.Ask(problem, inputs, "all values");
  const JudgedCall even =
      subject.Ask(problem, Thinned(inputs, problem, 0, 1.0), "values of even keys");
  const JudgedCall odd =
      subject.Ask(problem, Thinned(inputs, problem, 1, -1.0), "values of odd keys");
  for (const RowPair& row : AllRowPairs(problem)) {
    for (int head = 0; head < problem.num_q_heads; ++head) {
      for (int dim = 0; dim < problem.head_dim_v; ++dim) {
        CheckPlace({row, head, dim}, whole, even, odd);
      }
      if (!problem.lse) continue;
      const Number lse = NumberAt(whole, row.token, head, -1);
      const Number other = NumberAt(even, row.token, head, -1);
      ExpectNear("values of even keys", {row, head, -1}, other.got, lse.got,
                 lse.bound + other.bound);
    }
  }
}

}  // namespace

Law ValueLinearityLaw() {
  return {.name = "value-linearity",
          .sentence = "The output is linear in the values, and the LSE does not see them.",
          .fit =
              [](const Claims&, Dice&, Sample& sample) {
                Problem& p = sample.problem;
                p.page_aliasing = false;
                if (p.cache_layout == CacheLayout::kSharedLatent) {
                  p.cache_layout = CacheLayout::kNhd;
                }
              },
          // Values of a latent are keys; an aliased page holds even and odd keys.
          .applies =
              [](const Sample& sample) {
                return sample.problem.cache_layout != CacheLayout::kSharedLatent &&
                       !sample.problem.page_aliasing;
              },
          .check = Check};
}

}  // namespace attest
