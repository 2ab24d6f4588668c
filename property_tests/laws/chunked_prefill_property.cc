// SPDX-License-Identifier: Apache-2.0
//
// A prefill that is cut in two gives the rows of the whole one.
#include "conformance/run/inputs_random.h"
#include "property_tests/laws/chunks.h"

namespace attest {
namespace {

void Check(Subject& subject, const Sample& sample) {
  const CaseInputs inputs = Subject::Build(sample);
  const JudgedCall whole = subject.Ask(sample.problem, inputs, "the whole prefill");
  std::vector<Chunk> heads;
  std::vector<Chunk> tails;
  for (std::size_t r = 0; r < sample.problem.requests.size(); ++r) {
    const std::int64_t rows = sample.problem.requests[r].q_len;
    const auto cut = static_cast<std::int64_t>(
        Below(Draw(sample.seed, r), static_cast<std::uint64_t>(rows) + 1));
    heads.push_back({0, cut});
    tails.push_back({cut, rows});
  }
  ExpectChunksOfWhole(subject, inputs, whole, heads, "the first chunk");
  ExpectChunksOfWhole(subject, inputs, whole, tails, "the second chunk");
}

}  // namespace

Law ChunkedPrefillLaw() {
  return {.name = "chunked-prefill",
          .sentence = "A prefill that is cut in two gives the rows of the whole one.",
          .needs = ATTEST_CLAIM_DECODER_CAUSAL,
          .fit = FitToBeCut,
          .applies = CanBeCut,
          .check = Check};
}

}  // namespace attest
