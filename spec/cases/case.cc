// SPDX-License-Identifier: Apache-2.0
#include "spec/cases/case.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <tuple>

#include "spec/cases/steps_json.h"
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

std::int64_t TableWidth(const Problem& problem) {
  if (!problem.uses_paged_kv()) return 0;
  return (MaxSeqLen(problem) + problem.block_size - 1) / problem.block_size +
         problem.block_table_extra;
}

// What of `step` is larger than `maximum`; empty where nothing is.
std::string Exceeds(const Problem& step, const Problem& maximum) {
  const std::array<std::tuple<const char*, std::int64_t, std::int64_t>, 5> sizes = {
      {{"requests", static_cast<std::int64_t>(step.requests.size()),
        static_cast<std::int64_t>(maximum.requests.size())},
       {"tokens", NumTokens(step) + step.padding_tokens,
        NumTokens(maximum) + maximum.padding_tokens},
       {"max_query_len", MaxQueryLen(step) + step.max_query_len_slack,
        MaxQueryLen(maximum) + maximum.max_query_len_slack},
       {"max_seq_len", MaxSeqLen(step) + step.max_seq_len_slack,
        MaxSeqLen(maximum) + maximum.max_seq_len_slack},
       {"block_table_width", TableWidth(step), TableWidth(maximum)}}};
  for (const auto& [name, size, largest] : sizes) {
    if (size > largest) return fmt::format("{} {}, the problem has {}", name, size, largest);
  }
  return {};
}

Status CheckSteps(const Case& value) {
  if (value.steps.empty()) return BadInput("steps: this kind walks through some");
  if (!value.problem.prefix_ranges.empty()) {
    return BadInput("steps: prefix ranges name requests, which change from step to step");
  }
  for (std::size_t i = 0; i < value.steps.size(); ++i) {
    const Problem step = ProblemOf(value.problem, value.steps[i]);
    const std::string where = fmt::format("steps[{}]", i);
    if (value.steps[i].how.empty()) return BadInput(where + ".how: empty");
    if (Status status = Validate(step); !status.ok()) {
      return BadInput(fmt::format("{}: {}", where, status.message()));
    }
    const std::string larger = Exceeds(step, value.problem);
    if (!larger.empty()) return BadInput(fmt::format("{}: {}", where, larger));
  }
  if (value.kind == CaseKind::kServingLoop && !value.problem.batch_invariant) {
    return BadInput("kind: a serving loop needs batch_invariant");
  }
  if (value.kind == CaseKind::kCopyToPersistent && !value.problem.uses_paged_kv()) {
    return BadInput("kind: a copy to persistent has a block table");
  }
  return {};
}

}  // namespace

bool HasSteps(CaseKind kind) {
  return kind == CaseKind::kGraph || kind == CaseKind::kCopyToPersistent ||
         kind == CaseKind::kServingLoop;
}

Problem ProblemOf(const Problem& problem, const Step& step) {
  Problem of_step = problem;
  of_step.requests = step.requests;
  of_step.request_causal = step.request_causal;
  of_step.padding_tokens = step.padding_tokens;
  of_step.block_table_extra = step.block_table_extra;
  of_step.max_seq_len_slack = step.max_seq_len_slack;
  of_step.max_query_len_slack = step.max_query_len_slack;
  return of_step;
}

double MultiplyAddsOf(const Case& value) {
  if (!HasSteps(value.kind)) return MultiplyAdds(value.problem);
  if (value.kind == CaseKind::kCopyToPersistent) return 0;
  double sum = 0;
  for (const Step& step : value.steps) sum += MultiplyAdds(ProblemOf(value.problem, step));
  return sum;
}

int GraphLevelOf(const Case& value) {
  std::set<std::int64_t> lengths;
  const auto add = [&lengths](const std::vector<Request>& requests) {
    for (const Request& request : requests) lengths.insert(request.q_len);
  };
  add(value.problem.requests);
  for (const Step& step : value.steps) add(step.requests);
  if (lengths.size() > 1) return ATTEST_GRAPH_ALWAYS;
  return lengths.count(1) == 1 ? ATTEST_GRAPH_UNIFORM_SINGLE_TOKEN : ATTEST_GRAPH_UNIFORM_BATCH;
}

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
  if (HasSteps(value.kind)) return CheckSteps(value);
  if (!value.steps.empty()) return BadInput("steps: of kinds that walk, and of nothing else");
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
  if (!value.steps.empty()) json["steps"] = StepsToJson(value.steps);
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
  constexpr std::array<std::string_view, kAllCaseKinds.size()> kNames = {"forward",
                                                                         "refusal",
                                                                         "invalid",
                                                                         "determinism",
                                                                         "write-kv",
                                                                         "merge",
                                                                         "cascade",
                                                                         "neighbours",
                                                                         "batch-invariance",
                                                                         "chunk-invariance",
                                                                         "after-others",
                                                                         "graph",
                                                                         "copy-to-persistent",
                                                                         "serving-loop"};
  return kNames.at(static_cast<std::size_t>(value));
}
std::string_view Name(Recipe value) {
  constexpr std::array<std::string_view, 7> kNames = {"v-coded",  "k-coded", "generic",   "peaked",
                                                      "positive", "stepped", "cancelling"};
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
