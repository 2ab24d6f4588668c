// SPDX-License-Identifier: Apache-2.0
//
// Sizes that claims admit.
#ifndef ATTEST_PROPERTY_TESTS_GENERATORS_SCOPE_H_
#define ATTEST_PROPERTY_TESTS_GENERATORS_SCOPE_H_

#include <vector>

#include "spec/vocabulary/claims.h"

namespace attest {

// Claimed values up to `most`, ascending; where there is none, the least one.
std::vector<int> ClaimedSizes(const std::vector<IntRange>& ranges, int most);

// The largest claimed value below `value`; 0 if there is none.
int NextClaimedBelow(const std::vector<IntRange>& ranges, int value);

bool ClaimsType(const std::vector<DType>& dtypes, DType dtype);
bool ClaimsAll(const Claims& claims, std::uint64_t features);

}  // namespace attest

#endif  // ATTEST_PROPERTY_TESTS_GENERATORS_SCOPE_H_
