// SPDX-License-Identifier: Apache-2.0
//
// How drawn problems are bent into a law's domain.
#ifndef ATTEST_PROPERTY_TESTS_LAWS_FIT_H_
#define ATTEST_PROPERTY_TESTS_LAWS_FIT_H_

#include "property_tests/generators/dice.h"
#include "property_tests/generators/sample.h"
#include "spec/vocabulary/claims.h"

namespace attest {

// Makes it a decoder of this causality, with pages. What would need other claims or would not fit
// is dropped: windows of the other causality, masks of a tree.
void BecomeDecoder(const Claims& claims, Causality causality, Problem& problem);

// No mask of its own tensor: neither custom mask nor tree.
void DropMaskTensors(Problem& problem);

// Adds a request of one token to a batch of one.
void BecomeBatch(Dice& dice, Problem& problem);

}  // namespace attest

#endif  // ATTEST_PROPERTY_TESTS_LAWS_FIT_H_
