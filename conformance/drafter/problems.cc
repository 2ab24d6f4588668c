// SPDX-License-Identifier: Apache-2.0
#include "conformance/drafter/problems.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "reference/drafter/proposer.h"
#include "spec/cases/expand.h"
#include "spec/cases/spec.h"
#include "spec/vocabulary/digest.h"

namespace attest::drafter {
namespace {

// Windows up to this one are passed by a step of their own.
constexpr std::int64_t kWidestWindow = 4096;

std::string LayerName(const LayerPlan& plan) {
  const std::string type = plan.causal ? "causal" : "non-causal";
  return plan.window ? fmt::format("{}-w{}", type, *plan.window) : type;
}

struct TargetStep {
  std::string_view id;
  std::string_view note;
  std::vector<std::int64_t> contexts;  // before the target's step
  std::vector<std::int64_t> rejected;  // of its K drafts
};

// The lengths that the proposer computes for this step.
BatchSpec BatchOf(const TargetStep& step, std::int64_t drafts) {
  DraftBatch batch{.num_speculative_tokens = drafts,
                   .block_size = 16,
                   .max_model_len = std::int64_t{1} << 20,
                   .query_start_loc = {0}};
  for (std::size_t r = 0; r < step.contexts.size(); ++r) {
    for (std::int64_t i = 0; i <= drafts; ++i) batch.positions.push_back(step.contexts[r] + i);
    batch.query_start_loc.push_back(static_cast<std::int64_t>(batch.positions.size()));
    batch.seq_lens.push_back(step.contexts[r] + drafts + 1);
    batch.num_rejected_tokens.push_back(std::min(step.rejected[r], drafts));
    batch.block_table.push_back({1});
  }
  batch.seq_lens_upper_bound = batch.seq_lens;
  batch.next_token_ids = batch.request_slots = std::vector<std::int64_t>(batch.seq_lens.size(), 0);
  const DraftInputs inputs = PrepareInputs(batch, Runner::kR1);
  BatchSpec spec{.id = std::string(step.id),
                 .source = "lengths of the proposer (reference/drafter/proposer.h)",
                 .kind = "speculative",
                 .note = std::string(step.note)};
  for (const std::int64_t length : inputs.seq_lens) {
    spec.requests.push_back({.q_len = inputs.max_query_len, .seq_len = length});
  }
  return spec;
}

Result<ModelLayer> LayerOf(const LayerPlan& plan, const DraftConfig& draft,
                           const Resolution& resolution) {
  if (!draft.num_attention_heads || !draft.num_key_value_heads) {
    return BadInput(fmt::format("{}: missing; a problem needs it", draft.num_attention_heads
                                                                       ? "num_key_value_heads"
                                                                       : "num_attention_heads"));
  }
  const std::int64_t head_dim = resolution.drafter.head_dim;
  if (*draft.num_attention_heads % *draft.num_key_value_heads != 0) {
    return BadInput("num_key_value_heads: does not divide num_attention_heads");
  }
  if (*draft.num_attention_heads > 1024 || head_dim > 1024) {
    return BadInput("num_attention_heads: more heads or columns than a problem may have");
  }
  return ModelLayer{.name = LayerName(plan),
                    .kind = "self",
                    .count = 1,
                    .attention_type = AttentionType::kDecoder,
                    .causality = plan.causal ? Causality::kCausal : Causality::kNonCausal,
                    .num_q_heads = static_cast<int>(*draft.num_attention_heads),
                    .num_kv_heads = static_cast<int>(*draft.num_key_value_heads),
                    .head_dim_qk = static_cast<int>(head_dim),
                    .head_dim_v = static_cast<int>(head_dim),
                    .scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_dim))),
                    .scale_source = "head_dim^-0.5",
                    .window = plan.window.value_or(0),
                    .sinks = resolution.drafter.has_sinks,
                    .dtype = DType::kBFloat16,
                    .block_size = 16};
}

TopicFile TopicOf(const Model& model, const std::vector<BatchSpec>& steps) {
  TopicFile file{.filename = "drafter", .topic = "drafter", .origin = "model"};
  ModelGroup group{.models = {model.id},
                   .inputs = {Recipe::kVCoded, Recipe::kKCoded, Recipe::kGeneric},
                   .tier = Tier::kCi,
                   .path = "drafter"};
  for (const BatchSpec& step : steps) group.batches.push_back(step.id);
  file.groups.push_back(std::move(group));
  return file;
}

}  // namespace

Result<Model> ModelOf(const std::string& name, const DraftConfig& draft,
                      const Resolution& resolution) {
  Model model{.id = name, .name = name, .source = name};
  for (const LayerPlan& plan : resolution.layers) {
    const auto same =
        std::find_if(model.layers.begin(), model.layers.end(),
                     [&plan](const ModelLayer& layer) { return layer.name == LayerName(plan); });
    if (same != model.layers.end()) {
      ++same->count;
      continue;
    }
    Result<ModelLayer> layer = LayerOf(plan, draft, resolution);
    if (!layer.ok()) return layer.status();
    model.layers.push_back(std::move(*layer));
  }
  return model;
}

std::vector<BatchSpec> DraftSteps(const Resolution& resolution) {
  const std::int64_t drafts =
      std::clamp<std::int64_t>(resolution.drafter.num_speculative_tokens.value_or(7), 0, 255);
  std::int64_t widest = 0;
  for (const LayerPlan& layer : resolution.layers) {
    const std::int64_t window = layer.window.value_or(0);
    if (window <= kWidestWindow) widest = std::max(widest, window);
  }
  const std::vector<TargetStep> steps = {
      {"alone", "One request whose drafts were all accepted.", {101}, {0}},
      {"rejected", "None, one, and all of the drafts were rejected.", {37, 131, 70}, {0, 1, 255}},
      {"first-block", "The context is shorter than the draft block.", {1, 3}, {0, 2}},
      {"batch", "Seven requests.", {5, 203, 17, 64, 149, 90, 33}, {3, 0, 1, 0, 2, 255, 0}},
      {"long", "A long context.", {1453}, {2}}};
  std::vector<BatchSpec> batches;
  for (const TargetStep& step : steps) batches.push_back(BatchOf(step, drafts));
  if (widest > 0) {
    batches.push_back(BatchOf(
        {"past-window", "Contexts longer than the window.", {widest + 37, widest - 1}, {1, 0}},
        drafts));
  }
  return batches;
}

Result<CaseSet> ProblemsOf(const std::string& name, const DraftConfig& draft,
                           const Resolution& resolution, const std::vector<Clause>& clauses) {
  const Result<Model> model = ModelOf(name, draft, resolution);
  if (!model.ok()) return model.status();
  if (model->layers.empty()) return BadInput("the drafter has no attention layers");
  const std::vector<BatchSpec> steps = DraftSteps(resolution);
  const TopicFile file = TopicOf(*model, steps);
  CaseSet set;
  for (const ModelGroup& group : file.groups) {
    if (Status status = ExpandGroup(file, group, {*model}, steps, set); !status.ok()) return status;
  }
  std::string all;
  for (Case& value : set.cases) {
    const bool causal = value.problem.causality == Causality::kCausal;
    value.clauses.emplace_back(causal ? "DFLASH-02" : "DFLASH-01");
    value.profiles = ProfilesOf(value, clauses);
    all += value.id + value.content_hash;
  }
  set.digest = Sha256Hex(all);
  return set;
}

}  // namespace attest::drafter
