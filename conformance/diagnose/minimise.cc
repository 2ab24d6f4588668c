// SPDX-License-Identifier: Apache-2.0
#include "conformance/diagnose/minimise.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace attest {
namespace {

class Steps {
 public:
  explicit Steps(const Case& value) : value_(value), p_(value.problem) {}

  std::vector<Case> All() {
    Walk();
    Requests();
    Lengths();
    Sizes();
    Features();
    Layouts();
    return std::move(simpler_);
  }

 private:
  void Keep(Case simpler) {
    const bool walks_less = simpler.steps.size() < value_.steps.size();
    if (simpler.problem == p_ && simpler.poison == value_.poison && !walks_less) return;
    if (!Validate(simpler.problem).ok() || !ValidateKind(simpler).ok()) return;
    simpler.content_hash = ContentHash(simpler);
    simpler_.push_back(std::move(simpler));
  }
  template <typename Edit>
  void Try(Edit edit) {
    Case simpler = value_;
    edit(simpler.problem);
    Keep(std::move(simpler));
  }

  // The last steps first: a step leaves behind what the next ones meet.
  void Walk() {
    for (std::size_t i = value_.steps.size(); i-- > 0 && value_.steps.size() > 1;) {
      Case simpler = value_;
      simpler.steps.erase(simpler.steps.begin() + static_cast<std::ptrdiff_t>(i));
      Keep(std::move(simpler));
    }
  }

  // Takes request `r` out, with all that is said about it.
  static void Drop(std::size_t r, Problem& p) {
    const auto at = static_cast<std::ptrdiff_t>(r);
    p.requests.erase(p.requests.begin() + at);
    if (r < p.request_causal.size()) p.request_causal.erase(p.request_causal.begin() + at);
    std::vector<PrefixRange> ranges;
    for (PrefixRange range : p.prefix_ranges) {
      if (range.request == static_cast<std::int64_t>(r)) continue;
      if (range.request > static_cast<std::int64_t>(r)) --range.request;
      ranges.push_back(range);
    }
    p.prefix_ranges = std::move(ranges);
  }

  void Requests() {
    const std::size_t count = p_.requests.size();
    for (const std::size_t kept : {std::size_t{1}, count / 2}) {
      if (kept == 0 || kept >= count) continue;
      for (const std::size_t first : {std::size_t{0}, count - kept}) {
        Try([&](Problem& p) {
          for (std::size_t r = count; r-- > 0;) {
            if (r < first || r >= first + kept) Drop(r, p);
          }
        });
      }
    }
    for (std::size_t r = 0; r < count && count > 1 && count <= 16; ++r) {
      Try([r](Problem& p) { Drop(r, p); });
    }
  }

  // One length after the other: encoder-only requests have one for both.
  void Lengths() {
    const bool packed = p_.attention_type == AttentionType::kEncoderOnly;
    for (std::size_t r = 0; r < std::min<std::size_t>(p_.requests.size(), 16); ++r) {
      const Request now = p_.requests[r];
      for (const std::int64_t q_len : {std::int64_t{1}, now.q_len / 2, now.q_len - 1}) {
        if (q_len < 0 || q_len >= now.q_len) continue;
        Try([&](Problem& p) {
          p.requests[r].q_len = q_len;
          if (packed) p.requests[r].seq_len = q_len;
        });
      }
      for (const std::int64_t length :
           {std::int64_t{1}, now.seq_len / 2, now.seq_len - p_.block_size, now.seq_len - 1}) {
        if (packed || length < 0 || length >= now.seq_len) continue;
        Try([&](Problem& p) { p.requests[r].seq_len = length; });
        if (now.q_len > length && length > 0) {
          Try([&](Problem& p) { p.requests[r] = {length, length}; });
        }
      }
    }
  }

  void Sizes() {
    Try([](Problem& p) { p.num_q_heads = p.num_kv_heads = 1; });
    Try([](Problem& p) { p.num_q_heads = p.num_kv_heads; });
    if (p_.num_kv_heads > 1) {
      Try([](Problem& p) {
        p.num_q_heads = p.group() * (p.num_kv_heads / 2);
        p.num_kv_heads /= 2;
      });
    }
    if (p_.group() > 2) Try([](Problem& p) { p.num_q_heads = 2 * p.num_kv_heads; });
    for (const int size : {8, 16, 32, 64}) {
      if (size >= p_.head_dim_qk) break;
      Try([size](Problem& p) {
        p.head_dim_v = std::min(p.head_dim_v, size);
        p.head_dim_qk = size;
      });
    }
    Try([](Problem& p) { p.head_dim_v = p.head_dim_qk; });
    for (const int size : {4, 8, 16}) {
      if (size < p_.block_size) Try([size](Problem& p) { p.block_size = size; });
    }
    for (std::int64_t window : {p_.window_left / 2, p_.window_left - 1}) {
      if (window > 0) Try([window](Problem& p) { p.window_left = window; });
    }
    for (std::int64_t window : {p_.window_right / 2, p_.window_right - 1}) {
      if (window > 0) Try([window](Problem& p) { p.window_right = window; });
    }
    if (p_.local_block_size > 1) Try([](Problem& p) { p.local_block_size /= 2; });
  }

  void Features() {
    Try([](Problem& p) { p.softcap = 0; });
    Try([](Problem& p) { p.alibi = false; });
    Try([](Problem& p) { p.sinks = false; });
    Try([](Problem& p) { p.window_left = 0; });
    Try([](Problem& p) { p.window_right = 0; });
    Try([](Problem& p) { p.window_left = p.window_right = 0; });
    Try([](Problem& p) { p.local_block_size = p.local_block_lookback = 0; });
    Try([](Problem& p) { p.local_block_lookback = 0; });
    Try([](Problem& p) {
      p.prefix_ranges.clear();
      p.prefix_clamped = false;
    });
    Try([](Problem& p) { p.prefix_clamped = false; });
    Try([](Problem& p) { p.tree_mask = false; });
    Try([](Problem& p) {
      p.custom_mask = MaskKind::kNone;
      p.custom_mask_broadcast = {};
    });
    Try([](Problem& p) { p.custom_mask_broadcast = {}; });
    Try([](Problem& p) { p.page_aliasing = false; });
    Try([](Problem& p) { p.shared_prefix = 0; });
    Try([](Problem& p) { p.hybrid_split = 1; });
    Try([](Problem& p) { p.lse = false; });
    Try([](Problem& p) {
      p.causality = Causality::kCausal;
      p.request_causal.clear();
    });
    Try([](Problem& p) { p.padding_tokens = 0; });
    Try([](Problem& p) { p.block_table_extra = 0; });
    Try([](Problem& p) { p.max_seq_len_slack = 0; });
    Try([](Problem& p) { p.max_query_len_slack = 0; });
  }

  void Layouts() {
    Try([](Problem& p) {
      p.cache_dtype = p.query_dtype;
      p.kv_scale_kind = KvScaleKind::kNone;
    });
    Try([](Problem& p) { p.kv_scale_kind = KvScaleKind::kPerTensor; });
    Try([](Problem& p) { p.cache_layout = CacheLayout::kNhd; });
    Try([](Problem& p) { p.token_layout = TokenLayout::kDense; });
    Try([](Problem& p) {
      if (SizeOf(p.cache_dtype) != 1) p.cache_dtype = DType::kFloat32;
      p.query_dtype = p.output_dtype = DType::kFloat32;
      p.additive_mask_dtype = DType::kFloat32;
    });
    Case quiet = value_;
    quiet.poison = Poison::kLoud;
    Keep(std::move(quiet));
  }

  const Case& value_;
  const Problem& p_;
  std::vector<Case> simpler_;
};

}  // namespace

std::vector<Case> SimplerCases(const Case& value) { return Steps(value).All(); }

Minimised Minimise(const Case& value, const std::function<bool(const Case&)>& same, int most) {
  Minimised least{value, 0};
  for (bool smaller = true; smaller && least.tried < most;) {
    smaller = false;
    for (const Case& simpler : SimplerCases(least.value)) {
      if (least.tried == most) break;
      ++least.tried;
      if (!same(simpler)) continue;
      least.value = simpler;
      smaller = true;
      break;
    }
  }
  return least;
}

std::vector<std::string> Needs(const Case& value) {
  const Problem& p = value.problem;
  std::vector<std::string> needs;
  const auto add = [&needs](bool needed, std::string text) {
    if (needed) needs.push_back(std::move(text));
  };
  add(!value.steps.empty(), fmt::format("{} steps", value.steps.size()));
  add(p.attention_type != AttentionType::kDecoder, std::string(Name(p.attention_type)));
  add(p.causality != Causality::kCausal, std::string(Name(p.causality)));
  add(p.window_left > 0, fmt::format("window_left {}", p.window_left));
  add(p.window_right > 0, fmt::format("window_right {}", p.window_right));
  add(p.local_block_size > 0, fmt::format("local blocks of {}", p.local_block_size));
  add(!p.prefix_ranges.empty(), "prefix ranges");
  add(p.tree_mask, "a tree mask");
  add(p.custom_mask != MaskKind::kNone, fmt::format("a {} mask", Name(p.custom_mask)));
  add(p.softcap > 0, fmt::format("softcap {}", p.softcap));
  add(p.alibi, "ALiBi");
  add(p.sinks, "sinks");
  add(p.lse, "the LSE");
  add(SizeOf(p.cache_dtype) == 1, fmt::format("a cache of {}", Name(p.cache_dtype)));
  add(p.query_dtype != DType::kFloat32, fmt::format("{} queries", Name(p.query_dtype)));
  add(p.cache_layout != CacheLayout::kNhd, fmt::format("cache layout {}", Name(p.cache_layout)));
  add(p.token_layout != TokenLayout::kDense, fmt::format("token layout {}", Name(p.token_layout)));
  add(p.page_aliasing, "page aliasing");
  add(p.shared_prefix > 0, "a shared prefix");
  add(p.hybrid_split > 1, "split pages");
  add(p.padding_tokens > 0, "padding rows");
  add(p.block_table_extra > 0, "a wider block table");
  add(p.max_seq_len_slack > 0, "a larger max_seq_len");
  add(p.max_query_len_slack > 0, "a larger max_query_len");
  add(value.poison != Poison::kLoud, fmt::format("{} in unused memory", Name(value.poison)));
  add(p.requests.size() > 1, fmt::format("{} requests", p.requests.size()));
  add(p.group() > 1, fmt::format("{} query heads to a KV head", p.group()));
  add(p.num_kv_heads > 1, fmt::format("{} KV heads", p.num_kv_heads));
  add(p.head_dim_qk > 8, fmt::format("head_dim_qk {}", p.head_dim_qk));
  std::int64_t q_len = 0;
  std::int64_t seq_len = 0;
  for (const Request& request : p.requests) {
    q_len = std::max(q_len, request.q_len);
    seq_len = std::max(seq_len, request.seq_len);
  }
  add(q_len > 1, fmt::format("q_len {}", q_len));
  add(seq_len > 1, fmt::format("seq_len {}", seq_len));
  add(p.uses_paged_kv() && seq_len > p.block_size, fmt::format("pages of {}", p.block_size));
  return needs;
}

}  // namespace attest
