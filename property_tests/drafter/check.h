// SPDX-License-Identifier: Apache-2.0
//
// Holding an implementation of the drafter's rules against the model.
#ifndef ATTEST_PROPERTY_TESTS_DRAFTER_CHECK_H_
#define ATTEST_PROPERTY_TESTS_DRAFTER_CHECK_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "conformance/drafter/config_mutants.h"
#include "conformance/drafter/implementation.h"
#include "property_tests/drafter/choices.h"

namespace attest::drafter {

struct Witness;

struct CheckPlan {
  int questions = 400;  // random ones of each op, beside one for each known mistake
  std::uint64_t seed = 1;
  Scope scope;
  std::vector<std::string> fields;  // to compare; empty: all
  int shrink_tries = 300;           // of each failure
  int failures = 3;                 // that are shrunk and shown; of different first fields
  const std::vector<Witness>* witnesses = nullptr;  // null: WitnessesOf(scope, seed)
};

struct CheckFailure {
  Question smallest;
  std::vector<Difference> differences;
  std::string fault;  // instead of differences: the implementation was late, died, ...
  int tries = 0;
};

struct CheckResult {
  int asked = 0;
  int wrong = 0;
  int faults = 0;
  int not_supported = 0;
  std::string why_not_supported;  // of the first
  std::vector<CheckFailure> failures;
  // Where there were differences: the known mistakes that predict every answer.
  std::vector<const ConfigMutant*> named;

  // Too few answers say nothing.
  bool too_few() const { return 2 * not_supported > asked; }
  bool agrees() const { return wrong == 0 && faults == 0 && !too_few(); }
};

// The same plan asks the same implementation the same questions in the same order. The model is
// always right: a question that it has no answer to is a fault of ours, and internal.
Result<CheckResult> RunCheck(const CheckPlan& plan, const Ask& ask);

// For each known mistake that `scope` can show, the smallest question that it answers otherwise
// than the model; found without asking anybody, whatever fields are compared.
struct Witness {
  const ConfigMutant* mutant = nullptr;
  Question question;
};
std::vector<Witness> WitnessesOf(const Scope& scope, std::uint64_t seed);

}  // namespace attest::drafter

#endif  // ATTEST_PROPERTY_TESTS_DRAFTER_CHECK_H_
