// SPDX-License-Identifier: Apache-2.0
//
// Reading wrong keys off one output row. Under flat scores and the balanced +-1 code, output times
// weight sum is the sum of the codes of the keys that the backend saw; what differs from the
// expected sum is a sum of few codes, and with head_dim_v >= 16 or so only one choice of keys gives
// it.
#ifndef ATTEST_CONFORMANCE_PROBE_DECODE_H_
#define ATTEST_CONFORMANCE_PROBE_DECODE_H_

#include <vector>

#include "conformance/run/inputs.h"
#include "conformance/run/record.h"
#include "spec/vocabulary/problem.h"

namespace attest {

// The keys that `got` (head_dim_v outputs of one row and query head) shows as wrongly seen or
// wrongly missed; at most 8. `lse` is the backend's LSE of the row, NaN where none was asked for.
// Empty when no set of up to 8 keys explains the row exactly, or another key explains it as well: a
// wrong name is worse than none.
// Recipe::kVCoded only.
std::vector<WrongKey> DecodeRow(const Problem& problem, const CaseInputs& inputs,
                                const QueryRow& row, int head, const std::vector<double>& got,
                                double lse);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_PROBE_DECODE_H_
