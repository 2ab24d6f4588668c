// SPDX-License-Identifier: Apache-2.0
//
// A resolution as the protocol says it: what the real system does, without what this spec adds.
#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "conformance/drafter/config_mutants.h"
#include "reference/drafter/parse.h"

namespace attest::drafter {
namespace {

using Json = nlohmann::ordered_json;

Json NameOrNull(const Tables& tables, const std::optional<BackendId>& backend) {
  return backend ? Json(tables.backend_names[*backend]) : Json(nullptr);
}

// The real system's first exception; nullptr where it serves.
const Rejection* FirstReal(const Resolution& resolution) {
  const auto found = std::find_if(resolution.rejections.begin(), resolution.rejections.end(),
                                  [](const Rejection& one) { return !one.by_attest; });
  return found == resolution.rejections.end() ? nullptr : &*found;
}

Json RejectedBackends(const Tables& tables, const Selection& selection) {
  Json rejected = Json::object();
  for (const Candidate& candidate : selection.candidates) {
    Json reasons = Json::array();
    for (const Reason& reason : candidate.reasons) reasons.push_back(std::string(reason.text));
    if (!reasons.empty()) rejected[tables.backend_names[candidate.backend]] = reasons;
  }
  return rejected;
}

template <typename T>
Json ValueOrNull(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

void AddLayers(const Tables& tables, const Resolution& resolution, Json& answer) {
  Json backends = Json::array();
  Json causal = Json::array();
  Json windows = Json::array();
  for (std::size_t i = 0; i < resolution.layers.size(); ++i) {
    if (i < resolution.selection_of_layer.size()) {
      const auto at = static_cast<std::size_t>(resolution.selection_of_layer[i]);
      backends.push_back(NameOrNull(tables, resolution.draft_selections[at].chosen));
    }
    causal.push_back(resolution.layers[i].causal);
    windows.push_back(ValueOrNull(resolution.layers[i].window));
  }
  answer["backends"] = backends;
  answer["causal"] = causal;
  answer["windows"] = windows;
}

Json AnswerFrom(const Tables& tables, const Resolution& resolution) {
  const Rejection* rejection = FirstReal(resolution);
  Json answer = {{"served", rejection == nullptr}};
  if (rejection != nullptr) {
    answer["error"] = {{"type", rejection->raised.type}, {"text", rejection->raised.text}};
    return answer;
  }
  const EffectiveDrafter& drafter = resolution.drafter;
  answer["target_backend"] = NameOrNull(tables, resolution.target_selection.chosen);
  AddLayers(tables, resolution, answer);
  answer["target_use_non_causal"] = resolution.target.use_non_causal;
  answer["use_non_causal"] = drafter.config.use_non_causal;
  answer["rejected_backends"] = resolution.draft_selections.empty()
                                    ? Json::object()
                                    : RejectedBackends(tables, resolution.draft_selections.front());
  answer["num_speculative_tokens"] = ValueOrNull(drafter.num_speculative_tokens);
  answer["lookahead_tokens"] = drafter.lookahead_tokens;
  answer["extra_slots"] = drafter.extra_slots;
  answer["mask_token_id"] = ValueOrNull(drafter.mask_token_id);
  answer["aux_layers"] = drafter.aux_layers.ids;
  answer["kv_cache_dtype"] = drafter.config.kv_cache_dtype;
  answer["moe_backend"] = drafter.config.moe_backend;
  answer["parallel_drafting"] = drafter.parallel_drafting;
  return answer;
}

// The tables as `mutant` has them, made once.
const Tables& TablesOf(const Tables& right, const ConfigMutant* mutant) {
  if (mutant == nullptr || mutant->resolve.tables == nullptr) return right;
  static std::mutex mutex;
  static std::map<std::string, Tables, std::less<>> made;
  const std::lock_guard lock(mutex);
  const auto found = made.find(mutant->id);
  if (found != made.end()) return found->second;
  Tables& tables = made.emplace(std::string(mutant->id), right).first->second;
  mutant->resolve.tables(tables);
  return tables;
}

}  // namespace

Result<Json> ResolveAnswer(const Question& question, const ConfigMutant* mutant) {
  const Result<const Tables*> right = LoadTables();
  if (!right.ok()) return InternalError(right.status().message());
  Result<TargetConfig> target = TargetFromJson(question.target);
  if (!target.ok()) return BadInput("target." + target.status().message());
  Result<DraftConfig> draft = DraftFromJson(question.draft);
  if (!draft.ok()) return BadInput("draft." + draft.status().message());
  ResolveOptions options{.era = question.era,
                         .runner = question.runner,
                         .platform = question.platform,
                         .explain = false};
  const ResolveHooks hooks = mutant == nullptr ? ResolveHooks{} : mutant->resolve;
  const Tables& tables = TablesOf(**right, mutant);
  if (hooks.configs != nullptr) hooks.configs(*target, *draft, options);
  Json answer = AnswerFrom(tables, Resolve(tables, *target, *draft, options));
  if (hooks.answer != nullptr) hooks.answer(question, answer);
  return answer;
}

}  // namespace attest::drafter
