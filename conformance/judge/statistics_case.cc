// SPDX-License-Identifier: Apache-2.0
#include "conformance/judge/statistics_case.h"

#include <cstdint>
#include <vector>

#include "conformance/judge/rearrange.h"
#include "reference/float_formats.h"

namespace attest {

Accusation AccuseCase(const Case& value, const CaseInputs& inputs, const CallImage& after,
                      const Expected& expected, const Arithmetic& arithmetic) {
  if (value.recipe != Recipe::kGeneric) {
    Accusation none;
    none.not_generic = "the recipe is not generic";
    return none;
  }
  const Problem& p = value.problem;
  const std::vector<std::int64_t> starts = FirstTokens(p);
  const TensorView out = after.View("out");
  RowMajorMatrix got(expected.out.rows(), expected.out.cols());
  for (std::size_t n = 0; n < expected.rows.size(); ++n) {
    const auto [request, row] = expected.rows[n];
    const std::int64_t token = starts[static_cast<std::size_t>(request)] + row;
    for (int head = 0; head < p.num_q_heads; ++head) {
      const auto line = static_cast<Eigen::Index>(n) * p.num_q_heads + head;
      for (int c = 0; c < p.head_dim_v; ++c) {
        got(line, c) = LoadElement(out.dtype, out.At({token, head, c}));
      }
    }
  }
  return Accuse({.problem = p,
                 .tensors = TensorsOf(inputs.image),
                 .expected = expected,
                 .got = got,
                 .arithmetic = arithmetic});
}

}  // namespace attest
