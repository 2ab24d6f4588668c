// SPDX-License-Identifier: Apache-2.0
#include "reference/drafter/tables.h"

#include <algorithm>

namespace attest::drafter {
namespace {

template <typename Row>
const Row* FindNamed(const std::vector<Row>& rows, std::string_view id) {
  const auto found =
      std::find_if(rows.begin(), rows.end(), [id](const Row& row) { return row.id == id; });
  return found == rows.end() ? nullptr : &*found;
}

bool Within(const CapabilityRanges& ranges, const Platform& platform) {
  return platform.kind == PlatformKind::kCuda &&
         std::any_of(ranges.begin(), ranges.end(), [&platform](const CapabilityRange& range) {
           return platform.capability >= range.low && platform.capability <= range.high;
         });
}

bool Matches(const std::optional<bool>& wanted, bool value) {
  return !wanted.has_value() || *wanted == value;
}

bool Applies(const PriorityRule& rule, const PriorityQuestion& question) {
  if (!rule.eras[static_cast<std::size_t>(question.era)]) return false;
  if (rule.platform != question.platform.kind) return false;
  if (!Matches(rule.use_mla, question.use_mla)) return false;
  if (!Matches(rule.use_sparse, question.use_sparse)) return false;
  if (!Matches(rule.use_non_causal, question.use_non_causal)) return false;
  return rule.majors.empty() || std::find(rule.majors.begin(), rule.majors.end(),
                                          question.platform.capability.major) != rule.majors.end();
}

bool Holds(PriorityEntry::When when, const PriorityQuestion& question) {
  switch (when) {
    case PriorityEntry::When::kAlways:
      return true;
    case PriorityEntry::When::kAiterMha:
      return question.aiter_mha;
    case PriorityEntry::When::kAiterMla:
      return question.aiter_mla;
    case PriorityEntry::When::kAiterFound:
      return question.aiter_found;
    case PriorityEntry::When::kNoConnector:
      return !question.kv_connector;
  }
  return false;
}

}  // namespace

bool MethodRow::ClearsMmPrefix(Runner runner, Era era) const {
  return runner == Runner::kR1 && r1_clears_mm_prefix_since.has_value() &&
         era >= *r1_clears_mm_prefix_since;
}

bool Has(const DeviceBit& bit, const Platform& platform) {
  return bit.everywhere || Within(bit.on, platform);
}

std::optional<BackendId> Tables::FindBackend(std::string_view name) const {
  const auto found = std::find(backend_names.begin(), backend_names.end(), name);
  if (found == backend_names.end()) return std::nullopt;
  return static_cast<BackendId>(found - backend_names.begin());
}

std::optional<KvDtypeId> Tables::FindKvDtype(std::string_view name) const {
  const auto found = std::find(kv_dtypes.begin(), kv_dtypes.end(), name);
  if (found == kv_dtypes.end()) return std::nullopt;
  return static_cast<KvDtypeId>(found - kv_dtypes.begin());
}

const MethodRow* Tables::FindMethod(std::string_view name) const {
  const auto found = std::find_if(methods.begin(), methods.end(),
                                  [name](const MethodRow& row) { return row.name == name; });
  return found == methods.end() ? nullptr : &*found;
}

const NamedText* Tables::FindWarning(std::string_view id) const { return FindNamed(warnings, id); }

const NamedText* Tables::FindStrictRule(std::string_view id) const {
  return FindNamed(strict_rules, id);
}

const FamilyRow* Tables::FindFamily(BackendId backend) const {
  const auto found = std::find_if(families.begin(), families.end(),
                                  [backend](const FamilyRow& f) { return f.backend == backend; });
  return found == families.end() ? nullptr : &*found;
}

std::vector<BackendId> PriorityList(const Tables& tables, const PriorityQuestion& question) {
  const auto rule = std::find_if(
      tables.priorities.begin(), tables.priorities.end(),
      [&question](const PriorityRule& candidate) { return Applies(candidate, question); });
  std::vector<BackendId> order;
  if (rule == tables.priorities.end()) return order;
  constexpr std::int64_t kFewHeads = 16;  // FlashMLA pads below; vllm-project/vllm#35807
  const bool few = question.num_heads.has_value() && *question.num_heads <= kFewHeads;
  for (const PriorityEntry& entry : rule->order) {
    if (!Holds(entry.when, question)) continue;
    if (!entry.sparse_pair) {
      order.push_back(entry.backend);
      continue;
    }
    const auto& pair = tables.sparse_pairs[question.quantized_kv || few ? 0 : 1];
    order.insert(order.end(), pair.begin(), pair.end());
  }
  return order;
}

}  // namespace attest::drafter
