// SPDX-License-Identifier: Apache-2.0
//
// An output is a mean of the values that its row sees: it lies between the least and the largest of
// them, with 0 among them where there is a sink or nothing to see.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "property_tests/laws/agree.h"
#include "property_tests/laws/key_rows.h"
#include "spec/vocabulary/mask.h"

namespace attest {
namespace {

struct Hull {
  double least = std::numeric_limits<double>::infinity();
  double largest = -std::numeric_limits<double>::infinity();
  void Take(double value) {
    least = std::min(least, value);
    largest = std::max(largest, value);
  }
};

std::vector<Hull> HullsOf(const Problem& problem, const Mask& mask, const KeyRows& keys,
                          const RowPair& row, int head) {
  std::vector<Hull> hulls(static_cast<std::size_t>(problem.head_dim_v));
  const auto request = static_cast<std::size_t>(row.request);
  bool sees = false;
  for (std::int64_t key = 0; key < problem.requests[request].seq_len; ++key) {
    if (!mask.Visible(request, head, row.row, key)) continue;
    sees = true;
    const KeyPlace place{request, key, head / problem.group()};
    for (int dim = 0; dim < problem.head_dim_v; ++dim) {
      hulls[static_cast<std::size_t>(dim)].Take(keys.Value(place, dim));
    }
  }
  if (sees && !problem.sinks) return hulls;
  for (Hull& hull : hulls) hull.Take(0.0);
  return hulls;
}

void Check(Subject& subject, const Sample& sample) {
  const Problem& problem = sample.problem;
  CaseInputs inputs = Subject::Build(sample);
  const JudgedCall answer = subject.Ask(problem, inputs, "forward");
  const KeyRows keys(problem, inputs.image);
  const Mask mask(problem, {inputs.image.View("tree_mask"), inputs.image.View("custom_mask")});
  for (const RowPair& row : AllRowPairs(problem)) {
    for (int head = 0; head < problem.num_q_heads; ++head) {
      const std::vector<Hull> hulls = HullsOf(problem, mask, keys, row, head);
      for (int dim = 0; dim < problem.head_dim_v; ++dim) {
        const Hull& hull = hulls[static_cast<std::size_t>(dim)];
        const Number out = NumberAt(answer, row.token, head, dim);
        ExpectLawful("the hull", {row, head, dim}, out.want,
                     std::clamp(out.want, hull.least, hull.largest), 0);
        // Asked this way round, a NaN is outside.
        if (out.got >= hull.least && out.got <= hull.largest) continue;
        ExpectNear("outside of the values", {row, head, dim}, out.got,
                   std::clamp(out.got, hull.least, hull.largest), out.bound);
      }
    }
  }
}

}  // namespace

Law HullOfValuesLaw() {
  return {.name = "hull-of-values",
          .sentence = "An output lies between the least and the largest value that its row sees.",
          .check = Check};
}

}  // namespace attest
