// SPDX-License-Identifier: Apache-2.0
#include "property_tests/generators/sample.h"

#include <fmt/format.h>

#include <bit>
#include <set>
#include <vector>

#include "spec/cases/template.h"
#include "spec/vocabulary/claims.h"
#include "spec/vocabulary/json_object.h"
#include "spec/vocabulary/json_text.h"
#include "spec/vocabulary/problem_json.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

std::string Lengths(const Problem& p) {
  std::string text;
  for (const Request& request : p.requests) {
    text += fmt::format(" {}/{}", request.q_len, request.seq_len);
  }
  return text;
}

// Words of what a problem has beyond heads, lengths and types.
std::string Extras(const Problem& p) {
  std::string text;
  const auto add = [&text](bool there, const std::string& word) {
    if (there) text += ", " + word;
  };
  add(p.window_left > 0, fmt::format("window_left {}", p.window_left));
  add(p.window_right > 0, fmt::format("window_right {}", p.window_right));
  add(p.local_block_size > 0,
      fmt::format("local blocks {} + {}", p.local_block_size, p.local_block_lookback));
  add(!p.prefix_ranges.empty(), fmt::format("{} prefix ranges", p.prefix_ranges.size()));
  add(p.prefix_clamped, "clamped");
  add(p.tree_mask, "tree");
  add(p.custom_mask != MaskKind::kNone, fmt::format("{} mask", Name(p.custom_mask)));
  add(p.softcap > 0, fmt::format("softcap {}", p.softcap));
  add(p.alibi, "alibi");
  add(p.sinks, "sinks");
  add(!p.lse, "no lse");
  add(p.batch_invariant, "batch-invariant");
  add(p.page_aliasing, "page aliasing");
  add(p.shared_prefix > 0, fmt::format("shared prefix {}", p.shared_prefix));
  add(p.hybrid_split > 1, fmt::format("hybrid split {}", p.hybrid_split));
  add(p.padding_tokens > 0, fmt::format("padding {}", p.padding_tokens));
  return text;
}

std::string Types(const Problem& p) {
  std::string text(Name(p.query_dtype));
  if (p.uses_paged_kv() && p.cache_dtype != p.query_dtype) {
    text += fmt::format(" cache {}", Name(p.cache_dtype));
    if (p.kv_scale_kind != KvScaleKind::kNone) text += fmt::format(" {}", Name(p.kv_scale_kind));
  }
  if (p.output_dtype != p.query_dtype) text += fmt::format(" out {}", Name(p.output_dtype));
  return text;
}

Status ReadSample(const Json& json, LawSample& value) {
  JsonObject object(json, "");
  value.law = object.String("law");
  const std::int64_t seed = object.Integer("seed");
  if (seed < 0) object.Fail("seed", fmt::format("{} is negative", seed));
  value.sample.seed = static_cast<std::uint64_t>(seed);
  const std::string recipe = object.String("recipe");
  const std::string poison = object.String("poison");
  const Json* problem = object.Required("problem");
  if (Status status = object.Done(); !status.ok()) return status;
  const Result<Recipe> parsed_recipe = ParseRecipe(recipe, "recipe");
  if (!parsed_recipe.ok()) return parsed_recipe.status();
  const Result<Poison> parsed_poison = ParsePoison(poison, "poison");
  if (!parsed_poison.ok()) return parsed_poison.status();
  Result<Problem> parsed_problem = ProblemFromJson(*problem, "problem");
  if (!parsed_problem.ok()) return parsed_problem.status();
  value.sample.recipe = *parsed_recipe;
  value.sample.poison = *parsed_poison;
  value.sample.problem = std::move(*parsed_problem);
  return {};
}

// What RequiredFeatures does not count, or counts for every problem.
std::int64_t OtherFeatures(const Problem& p) {
  std::int64_t count = 0;
  count += static_cast<std::int64_t>(p.prefix_ranges.size());
  count += p.shared_prefix > 0 ? 1 : 0;
  count += p.hybrid_split > 1 ? 1 : 0;
  count += p.padding_tokens > 0 ? 1 : 0;
  count += p.block_table_extra > 0 ? 1 : 0;
  count += p.max_seq_len_slack > 0 ? 1 : 0;
  count += p.max_query_len_slack > 0 ? 1 : 0;
  count += p.window_right > 0 ? 1 : 0;
  // In order of the vocabulary: a decoder is simpler than a packed encoder, that than cross.
  count += 2 * static_cast<std::int64_t>(p.attention_type);
  count += p.attention_type == AttentionType::kDecoder ? static_cast<std::int64_t>(p.causality) : 0;
  count += static_cast<std::int64_t>(p.request_causal.size());
  return count;
}

std::int64_t SumOfSizes(const Problem& p) {
  std::int64_t sum = p.num_q_heads + p.num_kv_heads + p.head_dim_qk + p.head_dim_v + p.block_size +
                     p.padding_tokens + p.block_table_extra + p.max_seq_len_slack +
                     p.max_query_len_slack + p.shared_prefix + p.hybrid_split + p.window_left +
                     p.window_right + p.local_block_size + p.local_block_lookback;
  for (const Request& request : p.requests) sum += 1 + request.q_len + request.seq_len;
  for (const PrefixRange& range : p.prefix_ranges) sum += range.request + range.first + range.last;
  return sum;
}

// float32 is the simplest type: nothing is rounded.
std::int64_t Rank(DType dtype) { return static_cast<std::int64_t>(dtype); }

}  // namespace

Case CaseOf(const Sample& sample) {
  Case value;
  value.id = "property";
  value.topic = "property";
  value.slug = "property";
  value.sentence = "A drawn problem.";
  value.origin = "design";
  value.recipe = sample.recipe;
  value.poison = sample.poison;
  value.problem = sample.problem;
  return value;
}

std::string Describe(const Sample& sample) {
  const Problem& p = sample.problem;
  std::string text(Name(p.attention_type));
  if (p.attention_type == AttentionType::kDecoder) text += fmt::format(" {}", Name(p.causality));
  text +=
      fmt::format(", {} requests{} (q_len/seq_len), heads {}/{}, head_dim {}/{}", p.requests.size(),
                  Lengths(p), p.num_q_heads, p.num_kv_heads, p.head_dim_qk, p.head_dim_v);
  if (p.uses_paged_kv()) {
    text += fmt::format(", block_size {} {}", p.block_size, Name(p.cache_layout));
  }
  if (p.token_layout != TokenLayout::kDense) text += fmt::format(", {}", Name(p.token_layout));
  text += fmt::format(", {}, scale {}", Types(p), p.scale) + Extras(p);
  return text + fmt::format(", {}, {} poison, seed {}", Name(sample.recipe), Name(sample.poison),
                            sample.seed);
}

Json ToJson(const Sample& sample) {
  Json json;
  json["seed"] = sample.seed;
  json["recipe"] = std::string(Name(sample.recipe));
  json["poison"] = std::string(Name(sample.poison));
  json["problem"] = ToJson(sample.problem);
  return json;
}

Json ToJson(const LawSample& value) {
  Json json;
  json["law"] = value.law;
  json.update(ToJson(value.sample));
  return json;
}

Result<LawSample> LawSampleFromJson(std::string_view text, std::string_view filename) {
  const Result<Json> json = ParseJson(filename, text);
  if (!json.ok()) return json.status();
  LawSample value;
  if (Status status = ReadSample(*json, value); !status.ok()) {
    return WithPlace(filename, text, status);
  }
  return value;
}

bool IsLawSample(std::string_view text) {
  const Result<Json> json = ParseJson("", text);
  return json.ok() && json->is_object() && json->contains("law");
}

SampleSize SizeOfSample(const Sample& sample) {
  const Problem& p = sample.problem;
  SampleSize size;
  size.multiply_adds = MultiplyAdds(p);
  size.features = std::popcount(RequiredFeatures(p)) + OtherFeatures(p);
  size.sizes = SumOfSizes(p);
  size.ornaments =
      Rank(p.query_dtype) + Rank(p.cache_dtype) + Rank(p.output_dtype) +
      static_cast<std::int64_t>(p.cache_layout) + static_cast<std::int64_t>(p.token_layout) +
      static_cast<std::int64_t>(sample.recipe) + static_cast<std::int64_t>(sample.poison) +
      (p.scale == 1.0F ? 0 : 1) + (p.softcap == 0.0F || p.softcap == 1.0F ? 0 : 1) +
      (sample.seed < 8 ? static_cast<std::int64_t>(sample.seed) : 8);
  return size;
}

bool IsCoincidenceFree(const Problem& problem) {
  const Problem& p = problem;
  std::set<std::int64_t> seen;
  std::vector<std::int64_t> sizes = {p.num_q_heads, static_cast<std::int64_t>(p.requests.size()),
                                     p.block_size, p.window_left};
  if (p.group() > 1) sizes.push_back(p.num_kv_heads);
  if (p.group() > 1 && p.num_kv_heads > 1) sizes.push_back(p.group());
  if (p.window_right != p.window_left) sizes.push_back(p.window_right);
  for (const Request& request : p.requests) sizes.push_back(request.seq_len);
  for (const std::int64_t size : sizes) {
    if (size > 1 && !seen.insert(size).second) return false;
  }
  return true;
}

}  // namespace attest
