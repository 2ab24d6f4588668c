// SPDX-License-Identifier: Apache-2.0
#include "property_tests/generators/classes.h"

#include <algorithm>

#include "spec/vocabulary/mask.h"

namespace attest {
namespace {

template <typename Rule>
bool AnyRequest(const Sample& sample, Rule rule) {
  const auto& requests = sample.problem.requests;
  return std::any_of(requests.begin(), requests.end(), rule);
}

bool IsDecoder(const Sample& sample, Causality causality) {
  return sample.problem.attention_type == AttentionType::kDecoder &&
         sample.problem.causality == causality;
}

// A row that the numbers of the problem leave without any key.
bool HasEmptyRow(const Sample& sample) {
  const Problem& p = sample.problem;
  for (std::size_t r = 0; r < p.requests.size(); ++r) {
    for (std::int64_t row = 0; row < p.requests[r].q_len; ++row) {
      bool sees = false;
      for (std::int64_t key = 0; key < p.requests[r].seq_len && !sees; ++key) {
        sees = Visible(p, r, row, key);
      }
      if (!sees) return true;
    }
  }
  return false;
}

bool IsRagged(const Sample& sample) {
  const auto& requests = sample.problem.requests;
  return AnyRequest(sample, [&](const Request& r) { return r.seq_len != requests[0].seq_len; });
}

std::vector<SampleClass> MaskClasses() {
  return {
      {"causal", [](const Sample& s) { return IsDecoder(s, Causality::kCausal); }},
      {"non-causal", [](const Sample& s) { return IsDecoder(s, Causality::kNonCausal); }},
      {"per-request", [](const Sample& s) { return IsDecoder(s, Causality::kPerRequest); }},
      {"encoder-only",
       [](const Sample& s) { return s.problem.attention_type == AttentionType::kEncoderOnly; }},
      {"cross",
       [](const Sample& s) { return s.problem.attention_type == AttentionType::kEncoderDecoder; }},
      {"window",
       [](const Sample& s) { return s.problem.window_left > 0 || s.problem.window_right > 0; }},
      {"local-blocks", [](const Sample& s) { return s.problem.local_block_size > 0; }},
      {"prefix-ranges", [](const Sample& s) { return !s.problem.prefix_ranges.empty(); }},
      {"tree", [](const Sample& s) { return s.problem.tree_mask; }},
      {"boolean-mask", [](const Sample& s) { return s.problem.custom_mask == MaskKind::kBoolean; }},
      {"additive-mask",
       [](const Sample& s) { return s.problem.custom_mask == MaskKind::kAdditive; }},
      {"empty-row", HasEmptyRow},
  };
}

std::vector<SampleClass> ScoreClasses() {
  return {
      {"softcap", [](const Sample& s) { return s.problem.softcap > 0; }},
      {"alibi", [](const Sample& s) { return s.problem.alibi; }},
      {"sinks", [](const Sample& s) { return s.problem.sinks; }},
      {"lse", [](const Sample& s) { return s.problem.lse; }},
      {"negative-scale", [](const Sample& s) { return s.problem.scale < 0; }},
      {"groups", [](const Sample& s) { return s.problem.group() > 1; }},
      {"unequal-head-dims",
       [](const Sample& s) { return s.problem.head_dim_qk != s.problem.head_dim_v; }},
  };
}

std::vector<SampleClass> MemoryClasses() {
  return {
      {"paged", [](const Sample& s) { return s.problem.uses_paged_kv(); }},
      {"float32", [](const Sample& s) { return s.problem.query_dtype == DType::kFloat32; }},
      {"float16", [](const Sample& s) { return s.problem.query_dtype == DType::kFloat16; }},
      {"bfloat16", [](const Sample& s) { return s.problem.query_dtype == DType::kBFloat16; }},
      {"fp8",
       [](const Sample& s) {
         return SizeOf(s.problem.cache_dtype) == 1 && s.problem.cache_dtype != DType::kInt8;
       }},
      {"int8", [](const Sample& s) { return s.problem.cache_dtype == DType::kInt8; }},
      {"kv-scales", [](const Sample& s) { return s.problem.kv_scale_kind != KvScaleKind::kNone; }},
      {"strided-cache",
       [](const Sample& s) {
         return s.problem.cache_layout != CacheLayout::kNhd &&
                s.problem.cache_layout != CacheLayout::kXSplit;
       }},
      {"x-split", [](const Sample& s) { return s.problem.cache_layout == CacheLayout::kXSplit; }},
      {"shared-latent",
       [](const Sample& s) { return s.problem.cache_layout == CacheLayout::kSharedLatent; }},
      {"strided-tokens",
       [](const Sample& s) { return s.problem.token_layout != TokenLayout::kDense; }},
      {"page-aliasing", [](const Sample& s) { return s.problem.page_aliasing; }},
      {"shared-prefix", [](const Sample& s) { return s.problem.shared_prefix > 0; }},
      {"hybrid-pages", [](const Sample& s) { return s.problem.hybrid_split > 1; }},
      {"nan-poison", [](const Sample& s) { return s.poison != Poison::kLoud; }},
  };
}

std::vector<SampleClass> BatchClasses() {
  return {
      {"batch", [](const Sample& s) { return s.problem.requests.size() > 1; }},
      {"ragged", IsRagged},
      {"decode",
       [](const Sample& s) {
         return AnyRequest(s, [](const Request& r) { return r.q_len == 1 && r.seq_len > 1; });
       }},
      {"prefill",
       [](const Sample& s) {
         return AnyRequest(s, [](const Request& r) { return r.q_len > 1 && r.q_len == r.seq_len; });
       }},
      {"chunk",
       [](const Sample& s) {
         return AnyRequest(s, [](const Request& r) { return r.q_len > 1 && r.q_len < r.seq_len; });
       }},
      {"no-tokens",
       [](const Sample& s) {
         return AnyRequest(s, [](const Request& r) { return r.q_len == 0; });
       }},
      {"no-keys",
       [](const Sample& s) {
         return AnyRequest(s, [](const Request& r) { return r.q_len > 0 && r.seq_len == 0; });
       }},
      {"more-tokens-than-keys",
       [](const Sample& s) {
         return AnyRequest(s,
                           [](const Request& r) { return r.q_len > r.seq_len && r.seq_len > 0; });
       }},
      {"padding", [](const Sample& s) { return s.problem.padding_tokens > 0; }},
      {"batch-invariant", [](const Sample& s) { return s.problem.batch_invariant; }},
      {"coincidence-free", [](const Sample& s) { return IsCoincidenceFree(s.problem); }},
  };
}

}  // namespace

const std::vector<SampleClass>& SampleClasses() {
  static const std::vector<SampleClass> kClasses = [] {
    std::vector<SampleClass> all;
    for (const auto& room : {MaskClasses(), ScoreClasses(), MemoryClasses(), BatchClasses()}) {
      all.insert(all.end(), room.begin(), room.end());
    }
    return all;
  }();
  return kClasses;
}

}  // namespace attest
