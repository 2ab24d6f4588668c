// SPDX-License-Identifier: Apache-2.0
//
// What was read, for people and for programs: three grids (the spec's mask, the backend's, and what
// differs) as text and as SVG, and JSON.
#ifndef ATTEST_CONFORMANCE_PROBE_SHOW_H_
#define ATTEST_CONFORMANCE_PROBE_SHOW_H_

#include <nlohmann/json.hpp>
#include <string>

#include "conformance/probe/box.h"
#include "conformance/probe/mask_difference.h"
#include "conformance/probe/read_mask.h"
#include "conformance/report/picture.h"

namespace attest {

struct MaskPictures {
  Picture spec;
  Picture backend;
  Picture difference;
};

// Of the request and head with the most that differs (the first where nothing does): at most 64
// rows and 64 keys, around the differences.
MaskPictures PicturesOf(const Box& box, const MaskReading& reading);

// The three below one another, legends included; where nothing differs, the backend's alone.
std::string DrawText(const MaskPictures& pictures);
// All three, a whole SVG document.
std::string DrawSvg(const MaskPictures& pictures, const std::string& title);

// "rows": request, row, head, conclusive, why, keys seen as [first, last] inclusive, spec, extra,
// missed, strays, repeats; "calls", "bits_per_column", "notes", counts of each.
nlohmann::ordered_json ToJson(const Box& box, const MaskReading& reading);

struct MaskSummary {
  std::int64_t rows = 0;
  std::int64_t conclusive = 0;
  std::int64_t differ = 0;        // conclusive, and not the spec's mask
  std::int64_t other_values = 0;  // right keys, wrong values
  std::int64_t extra = 0;         // keys
  std::int64_t missed = 0;
  std::int64_t strays = 0;  // places
  bool agrees() const { return conclusive == rows && differ == 0 && other_values == 0; }
};
MaskSummary SummaryOf(const Box& box, const MaskReading& reading);

// Lines: how many rows were read, in how many calls, what differs (the first few rows, one line
// each, strays by place), what is not conclusive and why.
std::string SummaryText(const Box& box, const MaskReading& reading);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_PROBE_SHOW_H_
