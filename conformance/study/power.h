// SPDX-License-Identifier: Apache-2.0
//
// Power: which mistakes of an attention kernel the usual rules see on random inputs, and which the
// suite's designed inputs see, from short contexts to long ones. A correct kernel with the same
// arithmetic is the control of each.
#ifndef ATTEST_CONFORMANCE_STUDY_POWER_H_
#define ATTEST_CONFORMANCE_STUDY_POWER_H_

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conformance/bench/host.h"
#include "spec/vocabulary/status.h"

namespace attest {

// Judgements of one call on normal inputs, in this order. The first four are what others test by.
inline constexpr std::array<std::string_view, 8> kPowerRules = {
    "allclose 1e-2", "allclose 2e-2", "NMSE 5e-4",    "twice eager attention's error",
    "bound",         "B_prob",        "key spectrum", "matched filter"};
inline constexpr std::size_t kUsualRules = 4;

struct PowerStudyOptions {
  std::vector<std::int64_t> lengths = {512, 1024, 4096, 16384, 65536, 131072};
  std::uint64_t seed = 1;
  int trials = 0;  // of each length; 0: fewer the longer
  int jobs = 2;
  std::vector<std::string> mistakes;  // names; empty: all. The controls are always run.
};

struct PowerCell {
  int trials = 0;
  std::array<int, kPowerRules.size()> seen{};  // trials in which the rule objects
  int designed_trials = 0;
  int designed_seen = 0;
  std::string designed_by;  // what objected first
};

struct PowerReport {
  Host host;
  PowerStudyOptions options;
  double seconds = 0.0;
  // Mistake and length; controls are "none" and "none (FEATURE)".
  std::map<std::pair<std::string, std::int64_t>, PowerCell> cells;
  std::vector<std::string> names;  // of the rows, controls first

  // Controls that a rule of the suite objects to, and mistakes that no designed input sees.
  std::vector<std::string> Faults() const;
};

using PowerProgress = std::function<void(std::size_t done, std::size_t all)>;
Result<PowerReport> StudyPower(const PowerStudyOptions& options, const PowerProgress& progress);

std::string Describe(const PowerReport& report);
std::string ToJsonText(const PowerReport& report);
std::string ToMarkdown(const PowerReport& report);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_STUDY_POWER_H_
