// SPDX-License-Identifier: Apache-2.0
//
// What was asked before changes nothing: after a call of the same shapes with another scale and
// other tensors, in a process that has answered nothing else, a call gives what it gives in a fresh
// process.
//
// Bit for bit where the backend claims to be deterministic.
#include "property_tests/laws/agree.h"

namespace attest {
namespace {

void Check(Subject& subject, const Sample& sample) {
  const CaseInputs inputs = Subject::Build(sample);
  Sample before = sample;
  before.problem.scale *= 0.5F;
  ++before.seed;
  subject.session().StartAfresh();
  const JudgedCall first = subject.Ask(sample.problem, inputs, "in a fresh process");
  subject.session().StartAfresh();
  subject.Ask(before.problem, Subject::Build(before), "the call before");
  const JudgedCall second = subject.Ask(sample.problem, inputs, "after another call");
  ExpectSameRows("after another call", subject.Has(ATTEST_CLAIM_DETERMINISTIC), first, second,
                 AllRowPairs(sample.problem));
}

}  // namespace

Law NoMemoryLaw() {
  return {
      .name = "no-memory", .sentence = "What was asked before changes nothing.", .check = Check};
}

}  // namespace attest
