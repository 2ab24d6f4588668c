// SPDX-License-Identifier: Apache-2.0
//
// The call that asks a backend, or the oracle, for what Numbers say.
#ifndef ATTEST_REFERENCE_TESTING_NUMBERS_CALL_H_
#define ATTEST_REFERENCE_TESTING_NUMBERS_CALL_H_

#include "reference/testing/families.h"
#include "reference/testing/random.h"
#include "reference/testing/random_problem.h"

namespace attest::testing {

// One request, one head. Sizes, scale and sinks of `problem` are set from `numbers`; the rest of it
// must fit them, as MakeFamily and Dress leave it.
Call MakeCall(Random* random, Problem problem, const Numbers& numbers);

}  // namespace attest::testing

#endif  // ATTEST_REFERENCE_TESTING_NUMBERS_CALL_H_
