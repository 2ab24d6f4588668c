// SPDX-License-Identifier: Apache-2.0
#include "reference/drafter/metadata_check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <utility>

namespace attest::drafter {
namespace {

std::string Shown(const LooseValue& value) { return value.given() ? value.text : "missing"; }

// use_non_causal has to be the OR over all layers of "asks for non-causal".
void CompareSelected(const std::vector<MetadataRecord>& records,
                     std::vector<MetadataViolation>& violations) {
  const bool needed = std::any_of(records.begin(), records.end(),
                                  [](const MetadataRecord& r) { return !r.asked_causal; });
  MetadataViolation found{.rule = "selected-differs"};
  for (const MetadataRecord& record : records) {
    if (record.selected_non_causal != needed) found.layers.push_back(record.layer);
  }
  if (found.layers.empty()) return;
  found.text = fmt::format("layers {} were selected with use_non_causal={}, but {}",
                           fmt::join(found.layers, ", "), !needed,
                           needed ? "some layer asks for non-causal attention"
                                  : "every layer asks for causal attention");
  violations.push_back(std::move(found));
}

// Layers that differ in the same way share a violation.
void CompareMetadata(const std::vector<MetadataRecord>& records,
                     std::vector<MetadataViolation>& violations) {
  std::map<std::pair<bool, std::string>, std::vector<int>> wrong;
  for (const MetadataRecord& record : records) {
    const LooseValue& value = record.metadata_causal;
    if (value.is_bool() && value.truthy == record.asked_causal) continue;
    wrong[{record.asked_causal, Shown(value)}].push_back(record.layer);
  }
  for (const auto& [difference, layers] : wrong) {
    violations.push_back(
        {.rule = "metadata-differs",
         .layers = layers,
         .text = fmt::format("layers {} ask for causal={}, their metadata says {}",
                             fmt::join(layers, ", "), difference.first, difference.second)});
  }
}

void CompareGroups(const std::vector<MetadataRecord>& records,
                   std::vector<MetadataViolation>& violations) {
  std::map<int, std::vector<const MetadataRecord*>> groups;
  for (const MetadataRecord& record : records) groups[record.kv_group].push_back(&record);
  for (const auto& [group, members] : groups) {
    const bool causal = members.front()->asked_causal;
    const bool mixed = std::any_of(members.begin(), members.end(), [causal](const auto* member) {
      return member->asked_causal != causal;
    });
    if (!mixed) continue;
    MetadataViolation found{.rule = "mixed-kv-group"};
    for (const MetadataRecord* member : members) found.layers.push_back(member->layer);
    found.text = fmt::format("layers {} share KV group {} and differ in causality",
                             fmt::join(found.layers, ", "), group);
    violations.push_back(std::move(found));
  }
}

}  // namespace

std::vector<MetadataViolation> CheckMetadata(const std::vector<MetadataRecord>& records) {
  std::vector<MetadataViolation> violations;
  CompareSelected(records, violations);
  CompareMetadata(records, violations);
  CompareGroups(records, violations);
  return violations;
}

std::string AssertionOfR1(const std::vector<MetadataRecord>& records, std::int64_t first_layer) {
  for (const MetadataRecord& record : records) {
    if (record.metadata_causal.is_false()) continue;
    return fmt::format(
        "Attention metadata for layer model.layers.{}.self_attn.attn does not have non-causal "
        "support, which is required for DFlash. Consider using a different attention backend, e.g "
        "FlashAttention.",
        first_layer + record.layer);
  }
  return {};
}

}  // namespace attest::drafter
