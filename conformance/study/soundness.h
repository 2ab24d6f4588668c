// SPDX-License-Identifier: Apache-2.0
//
// Soundness of the deterministic bound: correct kernels of many makes, on inputs that strain them,
// against the bound of the class that each honestly declares. One number outside is a fault of the
// bound, or of the simulated kernel.
#ifndef ATTEST_CONFORMANCE_STUDY_SOUNDNESS_H_
#define ATTEST_CONFORMANCE_STUDY_SOUNDNESS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "conformance/bench/host.h"
#include "conformance/study/soundness_case.h"
#include "conformance/study/tally.h"
#include "spec/vocabulary/status.h"

namespace attest {

struct SoundnessOptions {
  std::int64_t lines = 1000000;  // judged rows at least; cases are finished
  std::uint64_t seed = 1;
  int jobs = 2;
  std::int64_t only_case = -1;  // this case alone, whatever `lines`
  std::string defect;           // of DefectNames(); empty: correct machines
  CaseLimits limits;
};

struct SoundnessReport {
  Host host;
  SoundnessOptions options;
  double seconds = 0.0;
  SoundnessTally tally;
  std::vector<Violation> violations;  // the first 32; the tally counts all
};

// The same report for every number of jobs, `seconds` aside. `progress` is called from one thread
// at a time with the rows judged and the violations so far.
using SoundnessProgress = std::function<void(std::int64_t rows, std::uint64_t violations)>;
Result<SoundnessReport> StudySoundness(const SoundnessOptions& options,
                                       const SoundnessProgress& progress);

// The command that judges the case of a violation alone.
std::string ReplayLine(const SoundnessOptions& options, const Violation& violation);

// For a person, as JSON, and as tables of markdown.
std::string Describe(const SoundnessReport& report);
std::string ToJsonText(const SoundnessReport& report);
std::string ToMarkdown(const SoundnessReport& report);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_STUDY_SOUNDNESS_H_
