// SPDX-License-Identifier: Apache-2.0
//
// Reading the whole mask of an unknown backend off its outputs, bit for bit. Scores are flat; the
// values of D * g places a call hold digits (columns.h), all other values are 0, and every row and
// head is read at once. The digits stand in physical places, so that a wrong block table shows as
// wrong keys.
#ifndef ATTEST_CONFORMANCE_PROBE_READ_MASK_H_
#define ATTEST_CONFORMANCE_PROBE_READ_MASK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "conformance/probe/box.h"
#include "conformance/probe/columns.h"
#include "spec/vocabulary/mask.h"
#include "spec/vocabulary/status.h"

namespace attest {

// A place that a row saw and that holds none of its request's keys, or that it saw more than once.
struct OddRead {
  std::int64_t place = 0;
  int times = 1;
  bool operator==(const OddRead&) const = default;
};

struct RowReading {
  ProbeRow row;
  bool conclusive = false;
  std::string why;              // not conclusive: what stood in the way. Else a remark, or empty
  std::int64_t count = 0;       // places seen, each as often as it was
  double margin = 0;            // largest distance from a whole number; at most kColumnMargin
  std::vector<KeyRange> keys;   // logical keys of the row's request that it saw; ascending runs.
                                // Keys at seq_len and beyond stand in the last page
  std::vector<OddRead> strays;  // places of other requests, of nobody, or past all pages
  std::vector<OddRead> repeats;
  bool other_values = false;  // the right keys, but not the values that stand there
};

struct MaskReading {
  std::vector<RowReading> rows;  // in the order asked for
  int calls = 0;
  int bits = 0;      // of one column
  bool lse = false;  // N was taken from the LSE, where it told
  std::vector<std::string> notes;
};

// Reads `rows` of `box`; all of them where empty. ceil(places / (g * head_dim_v)) calls; one or few
// more where the backend offers no LSE, or an LSE that is not the logarithm of the number of keys;
// once more with narrower columns for outputs that truncate, and once with counting digits where a
// row sees a place twice. An error: the backend did not answer.
Result<MaskReading> ReadMask(Box& box, const std::vector<ProbeRow>& rows = {});

// Runs of a sorted list of keys.
std::vector<KeyRange> RunsOf(const std::vector<std::int64_t>& keys);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_PROBE_READ_MASK_H_
