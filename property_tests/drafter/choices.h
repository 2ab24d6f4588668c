// SPDX-License-Identifier: Apache-2.0
//
// Generated questions about drafters. A question is a list of choices, each from a short list whose
// first entry is the default; it shrinks by taking choices back.
#ifndef ATTEST_PROPERTY_TESTS_DRAFTER_CHOICES_H_
#define ATTEST_PROPERTY_TESTS_DRAFTER_CHOICES_H_

#include <rapidcheck.h>

#include <cstdint>
#include <string>
#include <vector>

#include "conformance/drafter/question.h"

namespace attest::drafter {

// What may be asked; the first era and runner are the defaults.
struct Scope {
  std::vector<Op> ops = {Op::kPrepare, Op::kResolve};
  std::vector<Era> eras = {Era::kE5, Era::kE4,  Era::kE3,  Era::kE2, Era::kE1b,
                           Era::kE1, Era::kE0c, Era::kE0b, Era::kE0};
  std::vector<Runner> runners = {Runner::kR1, Runner::kR2};
};

struct Choices {
  Op op = Op::kPrepare;
  std::vector<int> values;  // 0: the default
  bool operator==(const Choices&) const = default;
};

// How many values each choice has.
std::vector<int> SizesOf(Op op, const Scope& scope);

// Any choices within the sizes make a question that has an answer.
Question QuestionOf(const Choices& choices, const Scope& scope);

// One or a few choices differ from their defaults, or all of them may; smaller ones by single steps
// towards the defaults.
rc::Gen<Choices> AnyChoices(Op op, const Scope& scope);

// The rooms of choices.cc: how many values each choice has, and what they mean.
std::vector<int> PrepareSizes(const Scope& scope);
Question PrepareQuestion(const std::vector<int>& values, const Scope& scope);
std::vector<int> ResolveSizes(const Scope& scope);
Question ResolveQuestion(const std::vector<int>& values, const Scope& scope);

}  // namespace attest::drafter

#endif  // ATTEST_PROPERTY_TESTS_DRAFTER_CHOICES_H_
