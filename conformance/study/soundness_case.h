// SPDX-License-Identifier: Apache-2.0
//
// One random problem, one machine that is right about it, all of its rows judged.
#ifndef ATTEST_CONFORMANCE_STUDY_SOUNDNESS_CASE_H_
#define ATTEST_CONFORMANCE_STUDY_SOUNDNESS_CASE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "conformance/study/tally.h"
#include "spec/vocabulary/status.h"

namespace attest {

struct Violation {
  std::int64_t case_index = 0;
  std::int64_t row = 0;
  int column = 0;  // of the output; -1: the LSE
  double expected = 0.0;
  double got = 0.0;
  double bound = 0.0;
  std::string what;  // the problem and the machine
};

struct SoundnessCase {
  SoundnessTally tally;
  std::vector<Violation> violations;  // the worst number of each row that has one
};

struct CaseLimits {
  std::int64_t max_keys = 8192;
  std::int64_t max_rows = 128;
};

// Case `index` of `seed`, the same on every machine with the same math library. `defect`: one of
// DefectNames(), or empty.
Result<SoundnessCase> RunSoundnessCase(std::uint64_t seed, std::int64_t index,
                                       const CaseLimits& limits, const std::string& defect);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_STUDY_SOUNDNESS_CASE_H_
