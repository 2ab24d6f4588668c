// SPDX-License-Identifier: Apache-2.0
#include "spec/cases/expand.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "spec/cases/constraints.h"
#include "spec/vocabulary/problem_json.h"

namespace attest {
namespace {

// A point of a template: the value of each axis, "inputs" and "poison" included.
using Point = std::vector<std::pair<std::string, std::string>>;

std::string IdOf(const std::string& topic, const std::string& slug, const Point& shown) {
  std::string id = fmt::format("{}/{}", topic, slug);
  for (std::size_t i = 0; i < shown.size(); ++i) {
    id += fmt::format("{}{}={}", i == 0 ? "/" : ",", shown[i].first, shown[i].second);
  }
  return id;
}

bool Matches(const PointFilter& filter, const Point& point) {
  return std::all_of(filter.begin(), filter.end(), [&point](const auto& entry) {
    return std::any_of(point.begin(), point.end(), [&entry](const auto& value) {
      return value.first == entry.first && std::find(entry.second.begin(), entry.second.end(),
                                                     value.second) != entry.second.end();
    });
  });
}

// A filter that names an axis or a value that is not there would silently select nothing.
Status CheckFilter(const CaseTemplate& value) {
  for (const auto& [name, words] : value.smoke) {
    std::vector<std::string> known;
    for (const Axis& axis : value.axes) {
      if (axis.name != name) continue;
      for (const AxisValue& axis_value : axis.values) known.push_back(axis_value.name);
    }
    if (name == "inputs") {
      for (const Recipe recipe : value.inputs) known.emplace_back(Name(recipe));
    }
    if (name == "poison") {
      for (const Poison poison : value.poisons) known.emplace_back(Name(poison));
    }
    for (const std::string& word : words) {
      if (std::find(known.begin(), known.end(), word) == known.end()) {
        return BadInput(fmt::format("{}.smoke.{}: no value \"{}\"", value.path, name, word));
      }
    }
  }
  return {};
}

Result<Tier> CheckedTier(const Case& value, Tier wanted, const std::string& path) {
  if (wanted == Tier::kSmoke && MultiplyAddsOf(value) > kSmokeBudget) {
    return BadInput(fmt::format("{}: {} is a smoke case of {} multiply-adds", path, value.id,
                                MultiplyAddsOf(value)));
  }
  return TierOf(value.problem, wanted);
}

Status CheckKind(const Case& value, const std::string& path) {
  if (Status status = ValidateKind(value); !status.ok()) {
    return BadInput(fmt::format("{}: {}: {}", path, value.id, status.message()));
  }
  if (value.kind != CaseKind::kRefusal) return {};
  // The members of the table that no problem asks for.
  constexpr std::uint64_t kMembers =
      ATTEST_CLAIM_WRITE_KV | ATTEST_CLAIM_MERGE | ATTEST_CLAIM_COPY_TO_PERSISTENT;
  if ((value.feature & kMembers) != 0) return {};
  if ((RequiredFeatures(value.problem) & value.feature) == value.feature) return {};
  return BadInput(fmt::format("{}: {} does not need the feature", path, value.id));
}

// Expands one template into `set`.
class Expander {
 public:
  Expander(const TopicFile& file, const CaseTemplate& value, CaseSet& set)
      : file_(file), template_(value), set_(set) {}

  Status Run() {
    Case base;
    base.topic = file_.topic;
    base.slug = template_.slug;
    base.sentence = template_.sentence;
    base.clauses = template_.clauses;
    base.origin = "design";
    base.kind = template_.kind;
    if (template_.file_problem.is_object()) {
      if (Status status = PatchProblem(template_.file_problem, "problem", base.problem);
          !status.ok()) {
        return status;
      }
    }
    if (template_.problem.is_object()) {
      if (Status status =
              PatchProblem(template_.problem, template_.path + ".problem", base.problem);
          !status.ok()) {
        return status;
      }
    }
    if (Status status = CheckFilter(template_); !status.ok()) return status;
    return Axes(base, 0, {}, template_.path);
  }

 private:
  Status Axes(const Case& partial, std::size_t index, const Point& point, const std::string& path) {
    if (index == template_.axes.size()) return Poisons(partial, point, path);
    const Axis& axis = template_.axes[index];
    for (const AxisValue& value : axis.values) {
      Case next = partial;
      if (Status status = PatchCase(value.patch, value.path, next); !status.ok()) return status;
      Point longer = point;
      longer.emplace_back(axis.name, value.name);
      if (Status status = Axes(next, index + 1, longer, value.path); !status.ok()) return status;
    }
    return {};
  }

  Status Poisons(const Case& partial, const Point& point, const std::string& path) {
    for (const Poison poison : template_.poisons) {
      for (const Recipe recipe : template_.inputs) {
        Case value = partial;
        value.poison = poison;
        value.recipe = recipe;
        Point shown = point;
        if (template_.poison_in_id) shown.emplace_back("poison", Name(poison));
        if (template_.inputs_in_id) shown.emplace_back("inputs", Name(recipe));
        Point all = point;
        all.emplace_back("poison", Name(poison));
        all.emplace_back("inputs", Name(recipe));
        value.id = IdOf(file_.topic, template_.slug, shown);
        if (Status status = Add(std::move(value), all, path); !status.ok()) return status;
      }
    }
    return {};
  }

  Status Add(Case value, const Point& point, const std::string& path) {
    for (const std::string& name : template_.constraints) {
      const Constraint& constraint = *FindConstraint(name);
      const std::string broken = constraint.broken_by(value);
      if (broken.empty()) continue;
      set_.dropped.push_back({value.id, name, fmt::format("{} ({})", constraint.sentence, broken)});
      return {};
    }
    if (Status status = Validate(value.problem); !status.ok()) {
      return BadInput(fmt::format("{}: {}: {}", path, value.id, status.message()));
    }
    if (Status status = CheckKind(value, path); !status.ok()) return status;
    const bool smoke = template_.has_smoke && Matches(template_.smoke, point);
    const Result<Tier> tier = CheckedTier(value, smoke ? Tier::kSmoke : template_.tier, path);
    if (!tier.ok()) return tier.status();
    value.tier = *tier;
    value.content_hash = ContentHash(value);
    set_.cases.push_back(std::move(value));
    return {};
  }

  const TopicFile& file_;
  const CaseTemplate& template_;
  CaseSet& set_;
};

bool Lists(const std::vector<std::string>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

struct Slice {
  int tp = 1;
  Problem problem;
};

// Elements of all keys and values.
double CacheElements(const Problem& problem) {
  double keys = 0;
  for (const Request& request : problem.requests) keys += static_cast<double>(request.seq_len);
  return keys * problem.num_kv_heads * (problem.head_dim_qk + problem.head_dim_v);
}

// The smallest division that fits; the largest there is where none does.
Slice SmallestSlice(const ModelLayer& layer, const BatchSpec& batch, double budget) {
  Slice best;
  for (const int tp : {1, 2, 4, 8}) {
    std::optional<Problem> problem = SliceOf(layer, batch, tp);
    if (!problem) continue;
    best = {tp, std::move(*problem)};
    if (MultiplyAdds(best.problem) <= budget && CacheElements(best.problem) <= kCacheBudget) break;
  }
  return best;
}

std::string DescribeLayer(const Model& model, const ModelLayer& layer, const BatchSpec& batch) {
  return fmt::format("A {} layer of {} computes the batch {}.", layer.name, model.name, batch.id);
}

Status AddSlices(const TopicFile& file, const ModelGroup& group, const Model& model,
                 const ModelLayer& layer, const BatchSpec& batch, CaseSet& set) {
  for (const Recipe recipe : group.inputs) {
    const Point point = {{"model", model.id},
                         {"layer", layer.name},
                         {"batch", batch.id},
                         {"inputs", std::string(Name(recipe))}};
    const bool smoke = group.has_smoke && Matches(group.smoke, point);
    const Slice slice = SmallestSlice(layer, batch, smoke ? kSmokeBudget : kCiBudget);
    Case value;
    value.id = IdOf(file.topic, model.id,
                    {point[1], point[2], {"tp", std::to_string(slice.tp)}, point[3]});
    if (!layer.waits_for.empty()) {
      std::string clauses;
      for (const std::string& clause : layer.waits_for) {
        clauses += fmt::format("{}{}", clauses.empty() ? "" : ", ", clause);
      }
      set.dropped.push_back({value.id, "waits-for", "the layer needs reserved " + clauses});
      continue;
    }
    if (Status status = Validate(slice.problem); !status.ok()) {
      return BadInput(fmt::format("{}: {}: {}", group.path, value.id, status.message()));
    }
    value.topic = file.topic;
    value.slug = model.id;
    value.sentence = DescribeLayer(model, layer, batch);
    value.clauses = ClausesShownBy(slice.problem, recipe);
    value.clauses.insert(value.clauses.end(), group.clauses.begin(), group.clauses.end());
    value.origin = file.origin == "batch" ? "batch:" + batch.id : "model:" + model.id;
    value.recipe = recipe;
    value.problem = slice.problem;
    const Result<Tier> tier = CheckedTier(value, smoke ? Tier::kSmoke : group.tier, group.path);
    if (!tier.ok()) return tier.status();
    value.tier = *tier;
    value.content_hash = ContentHash(value);
    set.cases.push_back(std::move(value));
  }
  return {};
}

Status CheckNames(const ModelGroup& group, const std::vector<Model>& models,
                  const std::vector<BatchSpec>& batches) {
  for (const std::string& name : group.models) {
    const auto is = [&name](const Model& model) { return model.id == name; };
    if (name != "*" && std::none_of(models.begin(), models.end(), is)) {
      return BadInput(fmt::format("{}.models: no model \"{}\"", group.path, name));
    }
  }
  for (const std::string& name : group.batches) {
    const auto is = [&name](const BatchSpec& batch) { return batch.id == name; };
    if (std::none_of(batches.begin(), batches.end(), is)) {
      return BadInput(fmt::format("{}.batches: no batch \"{}\"", group.path, name));
    }
  }
  for (const std::string& name : group.layers) {
    if (name != "causal" && name != "non-causal" && name != "encoder-only" && name != "cross") {
      return BadInput(fmt::format("{}.layers: \"{}\" is no kind of layer", group.path, name));
    }
  }
  return {};
}

std::string TypeOf(const ModelLayer& layer) {
  Problem problem;
  problem.attention_type = layer.attention_type;
  problem.causality = layer.causality;
  return ProfileOfType(problem);
}

std::string MaskClause(const Problem& p) {
  const bool windowed = p.window_left > 0 || p.window_right > 0;
  if (p.tree_mask) return "MASK-24";
  if (p.local_block_size > 0) return p.local_block_lookback > 0 ? "MASK-21" : "MASK-20";
  switch (p.attention_type) {
    case AttentionType::kEncoderOnly:
      return windowed ? "MASK-12" : "MASK-05";
    case AttentionType::kEncoderDecoder:
      return "MASK-08";
    case AttentionType::kDecoder:
      break;
  }
  if (p.causality == Causality::kPerRequest) return windowed ? "MASK-31" : "MASK-26";
  if (windowed && p.window_right != p.window_left && p.window_right > 0) return "MASK-14";
  if (p.causality == Causality::kNonCausal) return windowed ? "MASK-13" : "MASK-03";
  return windowed ? "MASK-10" : "MASK-01";
}

bool PowerOfTwo(int value) { return (value & (value - 1)) == 0; }

}  // namespace

Tier TierOf(const Problem& problem, Tier wanted) {
  return wanted == Tier::kCi && MultiplyAdds(problem) > kCiBudget ? Tier::kFull : wanted;
}

Status ExpandTemplate(const TopicFile& file, const CaseTemplate& value, CaseSet& set) {
  return Expander(file, value, set).Run();
}

Status ExpandGroup(const TopicFile& file, const ModelGroup& group, const std::vector<Model>& models,
                   const std::vector<BatchSpec>& batches, CaseSet& set) {
  if (Status status = CheckNames(group, models, batches); !status.ok()) return status;
  for (const Model& model : models) {
    if (!Lists(group.models, "*") && !Lists(group.models, model.id)) continue;
    for (const ModelLayer& layer : model.layers) {
      if (!group.layers.empty() && !Lists(group.layers, TypeOf(layer))) continue;
      for (const BatchSpec& batch : batches) {
        if (!Lists(group.batches, batch.id) || !Suits(layer, batch)) continue;
        if (Status status = AddSlices(file, group, model, layer, batch, set); !status.ok()) {
          return status;
        }
      }
    }
  }
  return {};
}

std::vector<std::string> ClausesShownBy(const Problem& p, Recipe recipe) {
  std::vector<std::string> clauses = {MaskClause(p)};
  const auto add = [&clauses](bool condition, const char* id) {
    if (condition) clauses.emplace_back(id);
  };
  add(p.num_q_heads > p.num_kv_heads && p.num_kv_heads > 1, "HEAD-01");
  add(p.num_kv_heads == 1 && p.num_q_heads > 1, "HEAD-02");
  add(!PowerOfTwo(p.group()), "HEAD-03");
  add(p.head_dim_qk != p.head_dim_v, "HEAD-04");
  add(!PowerOfTwo(p.head_dim_qk), "HEAD-05");
  add(p.uses_paged_kv(), "KV-01");
  add(p.shared_prefix > 0, "KV-08");
  add(!p.prefix_ranges.empty(), p.prefix_clamped ? "MASK-23" : "MASK-22");
  add(p.custom_mask == MaskKind::kBoolean, "MASK-25");
  add(p.custom_mask == MaskKind::kAdditive, "SCORE-07");
  add(p.softcap > 0 && recipe != Recipe::kVCoded, "SCORE-03");
  add(p.alibi, "SCORE-06");
  add(p.sinks, "SOFT-05");
  add(p.cache_dtype == DType::kInt8, "KV-19");
  add(SizeOf(p.cache_dtype) == 1 && p.cache_dtype != DType::kInt8, "KV-18");
  add(p.cache_layout == CacheLayout::kXSplit, "KV-21");
  add(p.cache_layout == CacheLayout::kSharedLatent, "KV-22");
  add(p.page_aliasing, "KV-23");
  add(p.hybrid_split > 1, "KV-24");
  add(recipe != Recipe::kVCoded, "SCORE-01");
  add(recipe == Recipe::kVCoded, "NUM-05");
  add(recipe != Recipe::kVCoded, "NUM-01");
  add(recipe != Recipe::kVCoded && p.lse, "NUM-02");
  return clauses;
}

std::string ProfileOfType(const Problem& problem) {
  switch (problem.attention_type) {
    case AttentionType::kEncoderOnly:
      return "encoder-only";
    case AttentionType::kEncoderDecoder:
      return "cross";
    case AttentionType::kDecoder:
      break;
  }
  return problem.causality == Causality::kNonCausal ? "non-causal" : "causal";
}

}  // namespace attest
