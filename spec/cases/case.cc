// SPDX-License-Identifier: Apache-2.0
#include "spec/cases/case.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <numeric>

#include "spec/vocabulary/digest.h"
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

}  // namespace

std::string ContentHash(const Case& value) {
  nlohmann::ordered_json json;
  json["kind"] = std::string(Name(value.kind));
  json["recipe"] = std::string(Name(value.recipe));
  json["poison"] = std::string(Name(value.poison));
  json["feature"] = value.feature;
  json["abi"] = nlohmann::ordered_json::object();
  for (const auto& [field, number] : value.abi_patch) json["abi"][field] = number;
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
  constexpr std::array<std::string_view, 4> kNames = {"forward", "refusal", "invalid",
                                                      "determinism"};
  return kNames.at(static_cast<std::size_t>(value));
}
std::string_view Name(Recipe value) {
  constexpr std::array<std::string_view, 5> kNames = {"v-coded", "k-coded", "generic", "peaked",
                                                      "positive"};
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
