// SPDX-License-Identifier: Apache-2.0
//
// Correct attention kernels as a population: how one computes, and the arithmetic class that says
// so honestly.
#ifndef ATTEST_CONFORMANCE_STUDY_MACHINE_H_
#define ATTEST_CONFORMANCE_STUDY_MACHINE_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reference/testing/families.h"
#include "reference/testing/flash.h"
#include "reference/testing/random.h"
#include "spec/vocabulary/arithmetic.h"
#include "spec/vocabulary/problem.h"

namespace attest {

struct Machine {
  testing::Flash how;      // what a class must know of; DrawRun chooses the rest, row by row
  Arithmetic declared;     // bounds how
  std::string class_name;  // "tightest", or the name of the smallest class that admits it
};

// The least errors that a class can declare for `how`. Queries are of type `dtype`.
Arithmetic TightestArithmetic(const testing::Flash& how, DType dtype);

// A machine that is right for these numbers: one that rounds an intermediate to fp16 is drawn only
// where that keeps it normal, as the declared errors are relative.
Machine DrawMachine(testing::Random* random, const Problem& problem,
                    const testing::Numbers& numbers);

// One way of the machine to compute a row: order, splits, when to rescale. No class knows of it.
testing::Flash DrawRun(testing::Random* random, const Machine& machine);

// Names of what `how` does, for tables: "accumulation: fused", "splits: 5", "truncated".
std::vector<std::string> TraitsOf(const testing::Flash& how, const Problem& problem);

// Ways to be wrong that every class forbids; the study must report each. "none" is not one.
const std::vector<std::string_view>& DefectNames();
void AddDefect(std::string_view name, testing::Flash* how);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_STUDY_MACHINE_H_
