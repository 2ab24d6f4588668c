// SPDX-License-Identifier: Apache-2.0
//
// Generators of samples within a backend's claims, with shrinking that stays there.
#ifndef ATTEST_PROPERTY_TESTS_GENERATORS_SAMPLES_H_
#define ATTEST_PROPERTY_TESTS_GENERATORS_SAMPLES_H_

#include <rapidcheck/Gen.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "property_tests/generators/dice.h"
#include "property_tests/generators/sample.h"
#include "spec/vocabulary/claims.h"

namespace attest {

// Multiply-adds of one sample: some milliseconds of the slowest attention there is.
inline constexpr double kSampleBudget = 0x1p18;

// What is to be drawn.
struct Aim {
  Claims claims;
  // Bends a drawn sample into a law's domain, so that few are thrown away. May be empty. What it
  // leaves must not depend on anything but its arguments.
  std::function<void(const Claims& claims, Dice& dice, Sample& sample)> fit;
  // Is the sample in the law's domain? Empty: all are.
  std::function<bool(const Sample& sample)> applies;
  double budget = kSampleBudget;
};

// Every feature and type of the vocabulary, small sizes of all kinds.
Claims EverythingClaims();

// Why nothing can be drawn from these claims: they have no attention type, no dtype, no head size.
// Empty if something can.
std::string WhyNothingToDraw(const Claims& claims);

// Why a sample lies outside: what Validate or ScopeOf says, a size that a layout rules out, queries
// that the query type cannot hold. Empty inside.
std::string WhyOutside(const Aim& aim, const Sample& sample);

// A sample inside the aim; nothing where the draw led outside of it. Lengths grow with `size`,
// 0..100, as far as the budget lets them.
std::optional<Sample> DrawSample(const Aim& aim, const rc::Random& random, int size);

// Samples that are smaller by SizeOfSample and inside the aim, the boldest steps first. The second
// half tries the steps of the first again with other seeds and recipes.
std::vector<Sample> SmallerSamples(const Aim& aim, const Sample& sample);

// A sample with all that it shrinks to.
rc::Shrinkable<std::optional<Sample>> ShrinkableOf(Aim aim, const Sample& sample);

// The generator. A draw that led outside gives nothing and is for the caller to count.
rc::Gen<std::optional<Sample>> Samples(Aim aim);

}  // namespace attest

#endif  // ATTEST_PROPERTY_TESTS_GENERATORS_SAMPLES_H_
