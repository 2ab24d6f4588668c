// SPDX-License-Identifier: Apache-2.0
//
// Sample: what a law is tried on. A problem, how its tensors are filled, and the seed they follow
// from.
#ifndef ATTEST_PROPERTY_TESTS_GENERATORS_SAMPLE_H_
#define ATTEST_PROPERTY_TESTS_GENERATORS_SAMPLE_H_

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "spec/cases/case.h"
#include "spec/vocabulary/problem.h"
#include "spec/vocabulary/status.h"

namespace attest {

struct Sample {
  Problem problem;
  Recipe recipe = Recipe::kGeneric;
  Poison poison = Poison::kLoud;
  std::uint64_t seed = 0;
  bool operator==(const Sample&) const = default;
};

// The forward case that fills the tensors. Its id is the same for all samples, so that a sample
// that shrinks keeps the rows that it keeps.
Case CaseOf(const Sample& sample);

// One line: "decoder causal, 2 requests 1/7 5/5 (q_len/seq_len), heads 6/2, ..., generic, seed 3".
std::string Describe(const Sample& sample);

// {"seed": 3, "recipe": "generic", "poison": "loud", "problem": {...}}, and back. The reader wants
// the law that the sample breaks under the key "law".
nlohmann::ordered_json ToJson(const Sample& sample);

struct LawSample {
  std::string law;
  Sample sample;
};
nlohmann::ordered_json ToJson(const LawSample& value);
// Bad input: "filename:line:column: ..." of the first thing that is wrong.
Result<LawSample> LawSampleFromJson(std::string_view text, std::string_view filename);
// Does this text say which law it is about? False for what is no JSON.
bool IsLawSample(std::string_view text);

// How large a sample is; compared from the first number on. A sample shrinks to a smaller one.
struct SampleSize {
  double multiply_adds = 0;    // of the call
  std::int64_t features = 0;   // that the problem uses beyond a plain causal decoder
  std::int64_t sizes = 0;      // sum of all lengths, counts and widths
  std::int64_t ornaments = 0;  // how far types, layout, recipe and numbers are from the simplest
  auto operator<=>(const SampleSize&) const = default;
};
SampleSize SizeOfSample(const Sample& sample);

// Are the sizes that could be taken for one another pairwise different? Sizes of 1 do not count.
bool IsCoincidenceFree(const Problem& problem);

}  // namespace attest

#endif  // ATTEST_PROPERTY_TESTS_GENERATORS_SAMPLE_H_
