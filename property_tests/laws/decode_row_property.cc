// SPDX-License-Identifier: Apache-2.0
//
// A row of a prefill is what a decode step at its place gives.
#include "conformance/run/inputs_random.h"
#include "property_tests/laws/chunks.h"

namespace attest {
namespace {

void Check(Subject& subject, const Sample& sample) {
  const CaseInputs inputs = Subject::Build(sample);
  const JudgedCall whole = subject.Ask(sample.problem, inputs, "the prefill");
  std::vector<Chunk> steps;
  for (std::size_t r = 0; r < sample.problem.requests.size(); ++r) {
    const std::int64_t rows = sample.problem.requests[r].q_len;
    if (rows == 0) {
      steps.push_back({0, 0});
      continue;
    }
    const auto row =
        static_cast<std::int64_t>(Below(Draw(sample.seed, r), static_cast<std::uint64_t>(rows)));
    steps.push_back({row, row + 1});
  }
  ExpectChunksOfWhole(subject, inputs, whole, steps, "the decode step");
}

}  // namespace

Law DecodeRowLaw() {
  return {.name = "decode-row",
          .sentence = "A row of a prefill is what a decode step at its place gives.",
          .needs = ATTEST_CLAIM_DECODER_CAUSAL,
          .fit = FitToBeCut,
          .applies = CanBeCut,
          .check = Check};
}

}  // namespace attest
