// SPDX-License-Identifier: Apache-2.0
#include "spec/cases/case.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <numeric>

#include "spec/vocabulary/digest.h"
#include "spec/vocabulary/mask.h"
#include "spec/vocabulary/problem_json.h"

namespace attest {
namespace {

// Letters to insert, remove or change to make `b` of `a`.
std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t change = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, change});
    }
  }
  return row.back();
}

std::string Nearest(const CaseSet& set, std::string_view id) {
  std::vector<std::pair<std::size_t, std::string_view>> near;
  for (const Case& value : set.cases) near.emplace_back(EditDistance(id, value.id), value.id);
  const std::size_t count = std::min<std::size_t>(near.size(), 3);
  std::partial_sort(near.begin(), near.begin() + static_cast<std::ptrdiff_t>(count), near.end());
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += fmt::format("\n  {}", near[i].second);
  return text;
}

Status CheckCascade(const Problem& problem) {
  if (problem.shared_prefix <= 0) return BadInput("kind: a cascade cuts at shared_prefix");
  if (problem.attention_type != AttentionType::kDecoder || !problem.lse) {
    return BadInput("kind: a cascade is of decoders, with LSE");
  }
  if (!IsInterval(problem) || problem.window_left > 0 || problem.window_right > 0 ||
      problem.local_block_size > 0 || problem.alibi) {
    return BadInput("kind: a cascade has no window, local blocks, ranges, masks or ALiBi");
  }
  for (const Request& request : problem.requests) {
    if (request.seq_len - request.q_len >= problem.shared_prefix) continue;
    return BadInput("kind: every row of a cascade stands at or after shared_prefix");
  }
  return {};
}

Status CheckChunks(const Problem& problem) {
  // A later chunk must not change what an earlier row sees.
  if (problem.attention_type != AttentionType::kDecoder ||
      problem.causality != Causality::kCausal || !problem.prefix_ranges.empty() ||
      problem.tree_mask || problem.custom_mask != MaskKind::kNone) {
    return BadInput("kind: chunk-invariance is of causal decoders without ranges or masks");
  }
  return {};
}

}  // namespace

Status ValidateKind(const Case& value) {
  if ((value.kind == CaseKind::kRefusal) != (value.feature != 0)) {
    return BadInput("kind: a refusal, and nothing else, has a feature");
  }
  if ((value.kind == CaseKind::kInvalid) != !value.abi_patch.empty()) {
    return BadInput("kind: an invalid case, and nothing else, has abi fields");
  }
  if (value.kind == CaseKind::kMerge ? value.parts < 1 || value.parts > kMaxMergeParts
                                     : value.parts != 0) {
    return BadInput("parts: a merge has 1 to 5 parts, and nothing else has any");
  }
  if (value.kind == CaseKind::kCascade) return CheckCascade(value.problem);
  if (value.kind == CaseKind::kNeighbours && value.problem.requests.size() < 2) {
    return BadInput("kind: neighbours needs two requests");
  }
  if (value.kind == CaseKind::kChunkInvariance) return CheckChunks(value.problem);
  if (value.kind == CaseKind::kBatchInvariance && !value.problem.batch_invariant) {
    return BadInput("kind: batch-invariance needs batch_invariant");
  }
  return {};
}

std::string ContentHash(const Case& value) {
  nlohmann::ordered_json json;
  json["kind"] = std::string(Name(value.kind));
  json["recipe"] = std::string(Name(value.recipe));
  json["poison"] = std::string(Name(value.poison));
  json["feature"] = value.feature;
  json["abi"] = nlohmann::ordered_json::object();
  for (const auto& [field, number] : value.abi_patch) json["abi"][field] = number;
  if (value.parts != 0) json["parts"] = value.parts;
  json["problem"] = ToJson(value.problem);
  return Sha256Hex(json.dump());
}

Result<Case> FindCase(const CaseSet& set, std::string_view id) {
  for (const Case& value : set.cases) {
    if (value.id == id) return value;
  }
  for (const DroppedPoint& dropped : set.dropped) {
    if (dropped.id == id) {
      return BadInput(fmt::format("no case \"{}\": {}: {}", id, dropped.rule, dropped.reason));
    }
  }
  return BadInput(fmt::format("no case \"{}\"; nearest:{}", id, Nearest(set, id)));
}

std::string_view Name(Tier value) {
  constexpr std::array<std::string_view, 3> kNames = {"smoke", "ci", "full"};
  return kNames.at(static_cast<std::size_t>(value));
}
std::string_view Name(CaseKind value) {
  constexpr std::array<std::string_view, kAllCaseKinds.size()> kNames = {
      "forward", "refusal",    "invalid",          "determinism",      "write-kv",    "merge",
      "cascade", "neighbours", "batch-invariance", "chunk-invariance", "after-others"};
  return kNames.at(static_cast<std::size_t>(value));
}
std::string_view Name(Recipe value) {
  constexpr std::array<std::string_view, 6> kNames = {"v-coded", "k-coded",  "generic",
                                                      "peaked",  "positive", "stepped"};
  return kNames.at(static_cast<std::size_t>(value));
}
std::string_view Name(Poison value) {
  constexpr std::array<std::string_view, 3> kNames = {"loud", "nan", "inf"};
  return kNames.at(static_cast<std::size_t>(value));
}

std::optional<Tier> ParseTier(std::string_view name) {
  for (const Tier tier : {Tier::kSmoke, Tier::kCi, Tier::kFull}) {
    if (Name(tier) == name) return tier;
  }
  return std::nullopt;
}

}  // namespace attest
