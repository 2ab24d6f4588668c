// SPDX-License-Identifier: Apache-2.0
//
// What lies in memory that no row sees changes nothing: dead slots and pages, table entries past
// the last page, scales of dead slots, gaps between rows, padding rows, tails of masks.
#include "property_tests/laws/agree.h"

namespace attest {
namespace {

void Check(Subject& subject, const Sample& sample) {
  Sample other = sample;
  // Loud numbers against NaN or infinity.
  if (sample.poison != Poison::kLoud) {
    other.poison = Poison::kLoud;
  } else {
    other.poison = sample.seed % 2 == 0 ? Poison::kNan : Poison::kInf;
  }
  const JudgedCall first = subject.Ask(sample.problem, Subject::Build(sample), "forward");
  const JudgedCall second =
      subject.Ask(sample.problem, Subject::Build(other), "other unused memory");
  ExpectEqualRows("other unused memory", first, second, AllRowPairs(sample.problem));
}

}  // namespace

Law UnusedMemoryLaw() {
  return {.name = "unused-memory",
          .sentence = "What lies in memory that no row sees changes nothing.",
          .check = Check};
}

}  // namespace attest
