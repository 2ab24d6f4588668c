// SPDX-License-Identifier: Apache-2.0
#include "conformance/judge/expect_merge.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "reference/merge.h"

namespace attest {
namespace {

MergeTensors PartsOf(const CallImage& image, int parts) {
  MergeTensors tensors;
  for (int i = 0; i < parts; ++i) {
    tensors.part_out.push_back(image.View(fmt::format("part_out_{}", i)));
    tensors.part_lse.push_back(image.View(fmt::format("part_lse_{}", i)));
  }
  return tensors;
}

}  // namespace

Result<Expected> ExpectMerge(const Problem& problem, const CallImage& image, int parts,
                             const Arithmetic& arithmetic) {
  Result<Merged> merged = ComputeMerge(problem, PartsOf(image, parts), arithmetic);
  if (!merged.ok()) return merged.status();
  Expected expected;
  expected.rows = AllRows(problem);
  expected.out = std::move(merged->out);
  expected.lse = std::move(merged->lse);
  expected.out_bound = std::move(merged->out_bound);
  expected.lse_bound = std::move(merged->lse_bound);
  expected.visible.resize(static_cast<std::size_t>(expected.lse.size()));
  for (Eigen::Index line = 0; line < expected.lse.size(); ++line) {
    expected.visible[line] = std::isinf(expected.lse[line]) ? 0 : 1;
  }
  expected.weight_sum = Eigen::VectorXd::Zero(expected.lse.size());
  return expected;
}

}  // namespace attest
