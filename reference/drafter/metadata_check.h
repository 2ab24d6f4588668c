// SPDX-License-Identifier: Apache-2.0
//
// The closed metadata check. vLLM's runner R1 asserts, at the first proposal and only when the
// drafter is not causal, that each layer's metadata carries `causal is False`; R2 asserts nothing.
// This check compares, in both modes and at start-up, what each layer asked for, what it was
// selected under, and what its metadata says.
#ifndef ATTEST_REFERENCE_DRAFTER_METADATA_CHECK_H_
#define ATTEST_REFERENCE_DRAFTER_METADATA_CHECK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "reference/drafter/loose_value.h"

namespace attest::drafter {

struct MetadataRecord {
  int layer = 0;
  int kv_group = 0;
  bool asked_causal = false;         // the layer's intent
  bool selected_non_causal = false;  // use_non_causal that the selector saw
  LooseValue metadata_causal;        // absent: the metadata has no such attribute
  friend bool operator==(const MetadataRecord&, const MetadataRecord&) = default;
};

struct MetadataViolation {
  std::string rule;  // "metadata-differs", "selected-differs", "mixed-kv-group"
  std::vector<int> layers;
  std::string text;
  friend bool operator==(const MetadataViolation&, const MetadataViolation&) = default;
};

// In the order of the rules, then of the layers; empty: all three agree everywhere.
std::vector<MetadataViolation> CheckMetadata(const std::vector<MetadataRecord>& records);

// R1's own assertion: the text it raises for the first layer whose value is not the object False;
// empty if it passes. Draft layers are named after the target's `first_layer` layers.
std::string AssertionOfR1(const std::vector<MetadataRecord>& records, std::int64_t first_layer);

}  // namespace attest::drafter

#endif  // ATTEST_REFERENCE_DRAFTER_METADATA_CHECK_H_
