// SPDX-License-Identifier: Apache-2.0
//
// A backend's mask against the spec's.
#ifndef ATTEST_CONFORMANCE_PROBE_MASK_DIFFERENCE_H_
#define ATTEST_CONFORMANCE_PROBE_MASK_DIFFERENCE_H_

#include <vector>

#include "conformance/probe/box.h"
#include "conformance/probe/read_mask.h"

namespace attest {

struct RowDifference {
  std::vector<KeyRange> extra;   // seen, and should not be
  std::vector<KeyRange> missed;  // not seen, and should be
  bool strays = false;           // places that hold none of the request's keys were seen
  bool repeats = false;          // a place was seen more than once
  bool any() const { return !extra.empty() || !missed.empty() || strays || repeats; }
};

// Keys of `from` that are not in `without`; both ascending runs.
std::vector<KeyRange> Without(const std::vector<KeyRange>& from,
                              const std::vector<KeyRange>& without);
std::int64_t KeyCount(const std::vector<KeyRange>& runs);

// Of a conclusive reading.
RowDifference DifferenceOf(const Box& box, const RowReading& reading);

// Holds one call with the balanced code of Recipe::kVCoded (conformance/run/inputs_rows.h) against
// the spec: rows that agree are returned as read, conclusive, with the spec's keys; rows whose few
// wrong keys the same call names (DecodeRow) as read with those. The others are not conclusive, and
// ReadMask reads them. A wrong mask, head map or page passes a row with a probability of at most
// 2^-(head_dim_v / 2).
Result<MaskReading> VerifyMask(Box& box, const std::vector<ProbeRow>& rows = {});

// VerifyMask, then ReadMask for what it left open.
Result<MaskReading> ReadMaskAgainstSpec(Box& box, const std::vector<ProbeRow>& rows = {});

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_PROBE_MASK_DIFFERENCE_H_
