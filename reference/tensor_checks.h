// SPDX-License-Identifier: Apache-2.0
//
// Do the tensors of a call fit its problem? Checked before a single element of query, key or value
// is read.
#ifndef ATTEST_REFERENCE_TENSOR_CHECKS_H_
#define ATTEST_REFERENCE_TENSOR_CHECKS_H_

#include <vector>

#include "reference/oracle.h"
#include "spec/vocabulary/problem.h"
#include "spec/vocabulary/status.h"

namespace attest {

// Bad input if the problem contradicts itself (the message names the field); if a tensor is missing
// or its rank, shape or dtype contradicts the problem; if query_start_loc or seq_lens differ from
// problem.requests; if a block_table entry of a live page is out of range; if the scale of a slot
// that some row of the problem sees is not finite; if one of `rows` is none of the problem's.
Status CheckTensors(const Problem& problem, const AttentionTensors& tensors,
                    const std::vector<QueryRow>& rows);

}  // namespace attest

#endif  // ATTEST_REFERENCE_TENSOR_CHECKS_H_
