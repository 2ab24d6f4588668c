// SPDX-License-Identifier: Apache-2.0
//
// The bound of spec/clauses/numerics.md as its text has it, key by key, with the centred sums that
// BlockBound replaces by inequalities. Slow; for tests of BlockBound.
#ifndef ATTEST_REFERENCE_TESTING_PLAIN_BOUND_H_
#define ATTEST_REFERENCE_TESTING_PLAIN_BOUND_H_

#include <vector>

#include "reference/testing/families.h"
#include "spec/vocabulary/arithmetic.h"
#include "spec/vocabulary/dtype.h"
#include "spec/vocabulary/mask.h"

namespace attest::testing {

struct PlainBound {
  std::vector<double> out;  // [head_dim_v]
  double lse = 0.0;
};

// `dtype` is the type of query and output; at least one key is seen.
PlainBound ComputePlainBound(const Numbers& numbers, std::size_t row, KeyRange seen, DType dtype,
                             const Arithmetic& arithmetic);

}  // namespace attest::testing

#endif  // ATTEST_REFERENCE_TESTING_PLAIN_BOUND_H_
