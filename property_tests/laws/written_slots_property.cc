// SPDX-License-Identifier: Apache-2.0
//
// A write changes exactly the named slots, and they hold the step's numbers as the cache's type
// holds them.
//
// The numbers are such that no admissible arithmetic converts them otherwise, so bytes are compared
// and those of all other slots, pages, gaps and tensors with them.
#include "conformance/judge/expect_write_kv.h"
#include "conformance/run/inputs_write_kv.h"
#include "property_tests/laws/fit.h"
#include "property_tests/laws/subject.h"

namespace attest {
namespace {

void Check(Subject& subject, const Sample& sample) {
  Case value = CaseOf(sample);
  value.kind = CaseKind::kWriteKv;
  const Result<CaseInputs> inputs = BuildWriteKvInputs(value, sample.seed);
  if (!inputs.ok()) EndAsVoid(inputs.status().message());
  const Result<CallImage> wanted = ExpectWriteKvImage(sample.problem, inputs->image);
  if (!wanted.ok()) EndAsVoid(wanted.status().message());
  const CallImage got = subject.AskWriteKv(sample.problem, *inputs);
  const std::string wrong = WrongWriteKv(inputs->image, *wanted, got);
  if (!wrong.empty()) EndAsBroken("write_kv: " + wrong);
}

// No mask says anything of a write.
void Fit(const Claims& claims, Dice&, Sample& sample) {
  Problem& p = sample.problem;
  if (p.attention_type != AttentionType::kDecoder) BecomeDecoder(claims, Causality::kCausal, p);
  DropMaskTensors(p);
}

}  // namespace

Law WrittenSlotsLaw() {
  return {.name = "written-slots",
          .sentence = "A write changes exactly the named slots, and they hold the step's numbers.",
          .needs = ATTEST_CLAIM_WRITE_KV | ATTEST_CLAIM_DECODER_CAUSAL,
          .fit = Fit,
          .applies =
              [](const Sample& s) { return s.problem.attention_type == AttentionType::kDecoder; },
          .check = Check};
}

}  // namespace attest
