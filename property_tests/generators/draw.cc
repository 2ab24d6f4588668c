// SPDX-License-Identifier: Apache-2.0
//
// Problems are drawn piece by piece, each within what the pieces before it and the claims leave.
#include <algorithm>
#include <cmath>
#include <set>

#include "property_tests/generators/samples.h"
#include "property_tests/generators/scope.h"

namespace attest {
namespace {

// Larger sizes add cost and no new boundary: tiles of kernels are met by the cases of the suite.
constexpr int kMostHeadDim = 40;
constexpr int kMostGroup = 4;
constexpr int kMostBlock = 20;
constexpr std::int64_t kMostRequests = 4;

class Drawer {
 public:
  Drawer(const Aim& aim, Dice& dice, int size)
      : claims_(aim.claims), budget_(aim.budget), dice_(dice) {
    longest_ = 6 + 42 * std::min(size, 100) / 100;
  }

  Sample Run() {
    DrawType();
    DrawDTypes();
    DrawHeads();
    DrawPages();
    DrawRequests();
    DrawMask();
    DrawScores();
    DrawLayout();
    DrawRoom();
    sample_.recipe = dice_.Pick<Recipe>({Recipe::kVCoded, Recipe::kKCoded, Recipe::kGeneric,
                                         Recipe::kGeneric, Recipe::kPeaked, Recipe::kPositive});
    sample_.poison = dice_.Pick<Poison>({Poison::kLoud, Poison::kLoud, Poison::kNan, Poison::kInf});
    sample_.seed = static_cast<std::uint64_t>(dice_.Int(0, (std::int64_t{1} << 31) - 1));
    return sample_;
  }

 private:
  bool Claimed(std::uint64_t features) const { return ClaimsAll(claims_, features); }
  // Claimed, and drawn once in n.
  bool Have(std::uint64_t features, std::int64_t n) { return Claimed(features) && dice_.OneIn(n); }
  bool causal() const {
    return p_.attention_type == AttentionType::kDecoder && p_.causality == Causality::kCausal;
  }

  // One of `choices` that no size before it has, as long as there is one.
  int Fresh(std::vector<int> choices) {
    std::vector<int> fresh;
    for (const int choice : choices) {
      if (choice <= 1 || !used_.contains(choice)) fresh.push_back(choice);
    }
    const int chosen = dice_.Pick(fresh.empty() ? choices : fresh);
    if (!coincidences_) used_.insert(chosen);
    return chosen;
  }

  void DrawType() {
    coincidences_ = dice_.OneIn(4);
    struct Choice {
      std::uint64_t bits;
      AttentionType type;
      Causality causality;
    };
    const std::vector<Choice> all = {
        {ATTEST_CLAIM_DECODER_CAUSAL, AttentionType::kDecoder, Causality::kCausal},
        {ATTEST_CLAIM_DECODER_CAUSAL, AttentionType::kDecoder, Causality::kCausal},
        {ATTEST_CLAIM_DECODER_NON_CAUSAL, AttentionType::kDecoder, Causality::kNonCausal},
        {ATTEST_CLAIM_PER_REQUEST_CAUSALITY | ATTEST_CLAIM_DECODER_CAUSAL |
             ATTEST_CLAIM_DECODER_NON_CAUSAL,
         AttentionType::kDecoder, Causality::kPerRequest},
        {ATTEST_CLAIM_ENCODER_ONLY, AttentionType::kEncoderOnly, Causality::kCausal},
        {ATTEST_CLAIM_ENCODER_DECODER, AttentionType::kEncoderDecoder, Causality::kCausal},
    };
    std::vector<Choice> claimed;
    for (const Choice& choice : all) {
      const bool paged = choice.type != AttentionType::kEncoderOnly;
      if (Claimed(choice.bits) && !(paged && claims_.block_sizes.empty())) {
        claimed.push_back(choice);
      }
    }
    const Choice chosen = dice_.Pick(claimed);
    p_.attention_type = chosen.type;
    p_.causality = chosen.causality;
  }

  void DrawDTypes() {
    p_.query_dtype = dice_.Pick(claims_.query_dtypes);
    p_.output_dtype = ClaimsType(claims_.output_dtypes, p_.query_dtype) && !dice_.OneIn(5)
                          ? p_.query_dtype
                          : dice_.Pick(claims_.output_dtypes);
    const bool same = ClaimsType(claims_.cache_dtypes, p_.query_dtype);
    p_.cache_dtype = same && (!p_.uses_paged_kv() || dice_.OneIn(2))
                         ? p_.query_dtype
                         : dice_.Pick(claims_.cache_dtypes);
    if (SizeOf(p_.cache_dtype) != 1 || !p_.uses_paged_kv()) return;
    std::vector<KvScaleKind> kinds;
    const bool int8 = p_.cache_dtype == DType::kInt8;
    if (!int8) kinds.push_back(KvScaleKind::kNone);
    if (!int8 && Claimed(ATTEST_CLAIM_KV_SCALE_PER_TENSOR)) {
      kinds.push_back(KvScaleKind::kPerTensor);
    }
    if (!int8 && Claimed(ATTEST_CLAIM_KV_SCALE_PER_HEAD)) kinds.push_back(KvScaleKind::kPerHead);
    if (Claimed(ATTEST_CLAIM_KV_SCALE_PER_TOKEN_HEAD)) {
      kinds.push_back(KvScaleKind::kPerTokenHead);
    }
    if (!kinds.empty()) p_.kv_scale_kind = dice_.Pick(kinds);
  }

  void DrawHeads() {
    const std::vector<int> groups = ClaimedSizes(claims_.group_sizes, kMostGroup);
    const int group = dice_.Pick(groups);
    if (!coincidences_) used_.insert(group);
    p_.num_kv_heads = Fresh({1, 2, 3});
    p_.num_q_heads = group * p_.num_kv_heads;
    if (!coincidences_) used_.insert(p_.num_q_heads);
    const std::vector<int> dims = ClaimedSizes(claims_.head_dims, kMostHeadDim);
    p_.head_dim_qk = dice_.Pick(dims);
    p_.head_dim_v = Have(ATTEST_CLAIM_UNEQUAL_HEAD_DIMS, 2) ? dice_.Pick(dims) : p_.head_dim_qk;
  }

  void DrawPages() {
    p_.block_size = 0;
    if (!p_.uses_paged_kv()) return;
    p_.block_size = Fresh(ClaimedSizes(claims_.block_sizes, kMostBlock));
    p_.page_aliasing = Have(ATTEST_CLAIM_PAGE_ALIASING, 8);
    if (!p_.page_aliasing && dice_.OneIn(8)) p_.hybrid_split = static_cast<int>(dice_.Int(2, 3));
  }

  // A length that no size before it has.
  std::int64_t Length(std::int64_t first, std::int64_t last) {
    for (int attempt = 0; attempt < 6; ++attempt) {
      const std::int64_t length = dice_.Int(first, last);
      if (length <= 1 || coincidences_ || used_.insert(length).second) return length;
    }
    return dice_.Int(first, last);
  }

  Request DrawRequest() {
    // Pairs of query and key that the budget leaves to a request.
    const double cost = p_.num_q_heads * (p_.head_dim_qk + p_.head_dim_v);
    const auto pairs = static_cast<std::int64_t>(budget_ / cost) / kMostRequests;
    const bool packed = p_.attention_type == AttentionType::kEncoderOnly;
    std::int64_t longest = std::min(longest_, std::max<std::int64_t>(pairs, 1));
    while (packed && longest > 1 && longest * longest > pairs) --longest;
    const std::int64_t seq_len = Length(1, longest);
    if (packed) return {seq_len, seq_len};
    const std::int64_t most =
        std::clamp<std::int64_t>(pairs / seq_len, 1, std::min<std::int64_t>(seq_len, 12));
    switch (dice_.Int(0, 9)) {
      case 0:
        return {dice_.Int(0, 1), 0};
      case 1:
        return {0, seq_len};
      case 2:
        return {most, most};
      case 3:  // in cross attention as good as any other; elsewhere rows before the first key
        return {std::min(seq_len, most) + dice_.Int(1, 3), std::min(seq_len, most)};
      case 4:
      case 5:
      case 6:
        return {1, seq_len};
      default:
        return {dice_.Int(1, most), seq_len};
    }
  }

  void DrawRequests() {
    // The number of requests is a size as well.
    const auto count = static_cast<std::int64_t>(Fresh({1, 2, 3, static_cast<int>(kMostRequests)}));
    for (std::int64_t r = 0; r < count; ++r) {
      Request request = DrawRequest();
      if (p_.attention_type == AttentionType::kEncoderOnly && dice_.OneIn(10)) request = {0, 0};
      p_.requests.push_back(request);
      if (p_.causality == Causality::kPerRequest) p_.request_causal.push_back(dice_.OneIn(2));
    }
    // A call without a row says nothing.
    if (NumTokens(p_) == 0) p_.requests[0] = {1, 1};
    if (!p_.uses_paged_kv() || p_.page_aliasing || !dice_.OneIn(6)) return;
    std::int64_t shortest = p_.requests[0].seq_len;
    for (const Request& request : p_.requests) shortest = std::min(shortest, request.seq_len);
    const std::int64_t step = std::int64_t{p_.block_size} * p_.hybrid_split;
    p_.shared_prefix = shortest / step * step;
  }

  void DrawMask() {
    const bool decoder = p_.attention_type == AttentionType::kDecoder;
    const bool rooted = std::all_of(p_.requests.begin(), p_.requests.end(),
                                    [](const Request& r) { return r.q_len <= r.seq_len; });
    if (causal() && rooted && Have(ATTEST_CLAIM_TREE_MASK, 5)) {
      p_.tree_mask = true;
    } else {
      DrawWindow();
      if (causal() && Have(ATTEST_CLAIM_LOCAL_BLOCKS, 6)) {
        p_.local_block_size = dice_.Int(1, 12);
        if (Have(ATTEST_CLAIM_LOCAL_LOOKBACK, 2)) p_.local_block_lookback = dice_.Int(1, 2);
      }
      if (decoder && Have(ATTEST_CLAIM_PREFIX_RANGES, 6)) DrawPrefixRanges();
    }
    const bool boolean = Have(ATTEST_CLAIM_BOOLEAN_MASK, 7);
    if (boolean || Have(ATTEST_CLAIM_ADDITIVE_MASK, 7)) {
      p_.custom_mask = boolean ? MaskKind::kBoolean : MaskKind::kAdditive;
      p_.custom_mask_broadcast = {dice_.OneIn(3), dice_.OneIn(3), dice_.OneIn(4), dice_.OneIn(4)};
      if (!boolean && dice_.OneIn(2)) p_.additive_mask_dtype = p_.query_dtype;
    }
  }

  void DrawWindow() {
    if (p_.attention_type == AttentionType::kEncoderDecoder || !dice_.OneIn(3)) return;
    const std::int64_t width = Length(1, std::max<std::int64_t>(2, longest_ / 2));
    if (causal() && Have(ATTEST_CLAIM_WINDOW_CAUSAL, 1) && !dice_.OneIn(4)) {
      p_.window_left = width;
    } else if (!causal() && Have(ATTEST_CLAIM_WINDOW_SYMMETRIC, 1) && !dice_.OneIn(3)) {
      p_.window_left = p_.window_right = width;
    } else if (Claimed(ATTEST_CLAIM_WINDOW_ASYMMETRIC)) {
      p_.window_right = width;
      if (!dice_.OneIn(3)) p_.window_left = Length(1, longest_ / 2);
      // Equal widths, or none to the right of a causal row, are claims of their own.
      if (p_.window_left == p_.window_right) p_.window_left = 0;
    }
  }

  void DrawPrefixRanges() {
    const std::int64_t count = dice_.Int(1, 3);
    for (std::int64_t n = 0; n < count; ++n) {
      const auto request = dice_.Int(0, static_cast<std::int64_t>(p_.requests.size()) - 1);
      const std::int64_t seq_len = p_.requests[static_cast<std::size_t>(request)].seq_len;
      const std::int64_t first = dice_.Int(0, std::max<std::int64_t>(seq_len, 1));
      p_.prefix_ranges.push_back({request, first, first + dice_.Int(0, 10)});
    }
    p_.prefix_clamped = p_.window_left > 0 && Have(ATTEST_CLAIM_PREFIX_CLAMPED, 2);
  }

  void DrawScores() {
    const auto root = static_cast<float>(1.0 / std::sqrt(static_cast<double>(p_.head_dim_qk)));
    p_.scale = root * dice_.Pick<float>({1.0F, 1.0F, 0.5F, 1.75F});
    if (dice_.OneIn(8)) p_.scale = -p_.scale;
    if (Have(ATTEST_CLAIM_SOFTCAP, 5)) p_.softcap = dice_.Pick<float>({1.0F, 3.5F, 20.0F});
    p_.alibi = p_.attention_type != AttentionType::kEncoderDecoder && Have(ATTEST_CLAIM_ALIBI, 6);
    p_.sinks = Have(ATTEST_CLAIM_SINKS, 5);
    p_.lse = Claimed(ATTEST_CLAIM_LSE) && !dice_.OneIn(8);
  }

  void DrawLayout() {
    if (Have(ATTEST_CLAIM_TOKEN_STRIDES, 3)) {
      p_.token_layout = dice_.OneIn(2) ? TokenLayout::kQkvFused : TokenLayout::kPaddedRows;
    }
    if (!p_.uses_paged_kv()) return;
    if (Have(ATTEST_CLAIM_KV_STRIDES, 3)) {
      p_.cache_layout = dice_.Pick<CacheLayout>({CacheLayout::kHnd, CacheLayout::kPackedKv,
                                                 CacheLayout::kKvFirst, CacheLayout::kPaddedPages});
    } else if (Have(ATTEST_CLAIM_KV_X_SPLIT, 8)) {
      DrawXSplit();
    } else if (Have(ATTEST_CLAIM_KV_STRIDES | ATTEST_CLAIM_SHARED_LATENT, 8)) {
      DrawSharedLatent();
    }
  }

  void DrawXSplit() {
    const auto x = static_cast<int>(16 / SizeOf(p_.cache_dtype));
    std::vector<int> whole;
    for (const int dim : ClaimedSizes(claims_.head_dims, kMostHeadDim)) {
      if (dim % x == 0) whole.push_back(dim);
    }
    if (whole.empty()) return;
    const bool equal = p_.head_dim_v == p_.head_dim_qk;
    p_.head_dim_qk = dice_.Pick(whole);
    if (equal) p_.head_dim_v = p_.head_dim_qk;
    p_.cache_layout = CacheLayout::kXSplit;
  }

  void DrawSharedLatent() {
    if (p_.cache_dtype == DType::kInt8 ||
        (p_.kv_scale_kind != KvScaleKind::kNone && p_.kv_scale_kind != KvScaleKind::kPerTensor)) {
      return;
    }
    if (p_.head_dim_v > p_.head_dim_qk) std::swap(p_.head_dim_v, p_.head_dim_qk);
    p_.cache_layout = CacheLayout::kSharedLatent;
  }

  void DrawRoom() {
    p_.batch_invariant = Have(ATTEST_CLAIM_BATCH_INVARIANT, 4);
    if (dice_.OneIn(4)) p_.padding_tokens = dice_.Int(1, 3);
    if (p_.uses_paged_kv() && dice_.OneIn(3)) p_.block_table_extra = dice_.Int(1, 3);
    if (dice_.OneIn(4)) p_.max_seq_len_slack = dice_.Int(1, 100);
    if (dice_.OneIn(6)) p_.max_query_len_slack = dice_.Int(1, 9);
  }

  const Claims& claims_;
  double budget_;
  Dice& dice_;
  std::int64_t longest_ = 0;
  bool coincidences_ = false;
  std::set<std::int64_t> used_;
  Sample sample_;
  Problem& p_ = sample_.problem;
};

}  // namespace

std::optional<Sample> DrawSample(const Aim& aim, const rc::Random& random, int size) {
  Dice dice(random);
  Sample sample = Drawer(aim, dice, size).Run();
  if (aim.fit) aim.fit(aim.claims, dice, sample);
  if (!WhyOutside(aim, sample).empty()) return std::nullopt;
  return sample;
}

}  // namespace attest
