// SPDX-License-Identifier: Apache-2.0
//
// Steps to smaller problems. A step may lead outside of the aim or to nothing smaller; what it
// leads to is checked once, for all of them.
#include <rapidcheck/seq/Create.h>
#include <rapidcheck/shrinkable/Create.h>

#include <algorithm>
#include <memory>

#include "property_tests/generators/samples.h"
#include "property_tests/generators/scope.h"

namespace attest {
namespace {

// The steps of one sample.
class Steps {
 public:
  explicit Steps(const Claims& claims, const Sample& sample) : claims_(claims), from_(sample) {}

  std::vector<Sample> All() {
    FewerRequests();
    ShorterRequests();
    FewerHeads();
    NarrowerHeads();
    FewerFeatures();
    SmallerPages();
    SmallerNumbers();
    SimplerTypes();
    SimplerInputs();
    return std::move(found_);
  }

 private:
  const Problem& p() const { return from_.problem; }

  // Adds what `change` makes of the problem, mended where lengths or pages depend on it.
  template <typename Change>
  void Try(Change change) {
    Sample next = from_;
    change(next.problem);
    Mend(next.problem);
    found_.push_back(std::move(next));
  }

  static void Mend(Problem& problem) {
    if (problem.attention_type == AttentionType::kEncoderOnly) {
      for (Request& request : problem.requests) request.q_len = request.seq_len;
    }
    std::erase_if(problem.prefix_ranges, [&problem](const PrefixRange& range) {
      return range.request >= static_cast<std::int64_t>(problem.requests.size());
    });
    if (problem.prefix_ranges.empty() || problem.window_left == 0) problem.prefix_clamped = false;
    if (problem.local_block_size == 0) problem.local_block_lookback = 0;
    if (problem.shared_prefix == 0 || problem.block_size == 0) return;
    std::int64_t shortest = problem.shared_prefix;
    for (const Request& request : problem.requests) shortest = std::min(shortest, request.seq_len);
    const std::int64_t step = std::int64_t{problem.block_size} * problem.hybrid_split;
    problem.shared_prefix = shortest / step * step;
  }

  static void RemoveRequest(Problem& problem, std::size_t gone) {
    const auto at = static_cast<std::ptrdiff_t>(gone);
    problem.requests.erase(problem.requests.begin() + at);
    if (!problem.request_causal.empty()) {
      problem.request_causal.erase(problem.request_causal.begin() + at);
    }
    std::erase_if(problem.prefix_ranges, [gone](const PrefixRange& range) {
      return range.request == static_cast<std::int64_t>(gone);
    });
    for (PrefixRange& range : problem.prefix_ranges) {
      if (range.request > static_cast<std::int64_t>(gone)) --range.request;
    }
  }

  void FewerRequests() {
    const std::size_t count = p().requests.size();
    for (std::size_t kept = 0; count > 2 && kept < count; ++kept) {
      Try([&](Problem& next) {
        for (std::size_t r = count; r-- > 0;) {
          if (r != kept) RemoveRequest(next, r);
        }
      });
    }
    for (std::size_t gone = 0; count > 1 && gone < count; ++gone) {
      Try([&](Problem& next) { RemoveRequest(next, gone); });
    }
  }

  void ShorterRequests() {
    Try([](Problem& next) {
      for (Request& r : next.requests) r = {(r.q_len + 1) / 2, (r.seq_len + 1) / 2};
    });
    for (std::size_t i = 0; i < p().requests.size(); ++i) {
      const auto [q, k] = p().requests[i];
      // The context goes, the new tokens go, half goes, one goes; then both lengths together.
      const std::vector<Request> shorter = {
          {0, 0},     {1, 1},           {1, 2},           {1, k},
          {q, q},     {(q + 1) / 2, k}, {q, (k + 1) / 2}, {(q + 1) / 2, (k + 1) / 2},
          {q - 1, k}, {q, k - 1},       {q - 1, k - 1},   {0, k}};
      for (const Request& request : shorter) {
        if (request.q_len < 0 || request.seq_len < 0) continue;
        Try([&](Problem& next) { next.requests[i] = request; });
      }
      // A window or a page is often as long as the keys: they shrink together.
      Try([&](Problem& next) {
        --next.requests[i].seq_len;
        if (next.window_left > 1) --next.window_left;
        if (next.window_right > 1) --next.window_right;
      });
      if (p().block_size > 1) {
        Try([&](Problem& next) {
          --next.requests[i].seq_len;
          --next.block_size;
        });
      }
    }
  }

  void Heads(int kv_heads, int group) {
    Try([&](Problem& next) {
      next.num_kv_heads = kv_heads;
      next.num_q_heads = kv_heads * group;
    });
  }

  void FewerHeads() {
    const int kv = p().num_kv_heads;
    const int group = p().group();
    const std::vector<int> groups = ClaimedSizes(claims_.group_sizes, group);
    if (!groups.empty()) Heads(1, groups.front());
    for (const int fewer : {1, kv / 2, kv - 1}) {
      if (fewer >= 1 && fewer < kv) Heads(fewer, group);
    }
    for (const int smaller : groups) {
      if (smaller < group) Heads(kv, smaller);
    }
    // The same query heads over more or fewer KV heads.
    for (int other = 1; other < kv; ++other) {
      if (p().num_q_heads % other == 0) Heads(other, p().num_q_heads / other);
    }
  }

  void NarrowerHeads() {
    const auto& dims = claims_.head_dims;
    const int qk = p().head_dim_qk;
    const int v = p().head_dim_v;
    const std::vector<int> claimed = ClaimedSizes(dims, std::min(qk, v));
    const int least = claimed.empty() ? 1 : claimed.front();
    const auto both = [&](int new_qk, int new_v) {
      if (new_qk < 1 || new_v < 1) return;
      Try([&](Problem& next) {
        next.head_dim_qk = new_qk;
        next.head_dim_v = new_v;
      });
    };
    both(least, least);
    both(NextClaimedBelow(dims, qk / 2 + 1), NextClaimedBelow(dims, v / 2 + 1));
    both(least, v);
    both(qk, least);
    both(NextClaimedBelow(dims, qk), v);
    both(qk, NextClaimedBelow(dims, v));
    both(NextClaimedBelow(dims, qk), NextClaimedBelow(dims, v));
    if (p().cache_layout == CacheLayout::kXSplit) {  // pieces of 16 bytes
      const auto x = static_cast<int>(16 / SizeOf(p().cache_dtype));
      both(x, v);
      both(qk - x, v);
    }
  }

  // Features one by one; those that hang on one another also together.
  void FewerFeatures() {
    Try([](Problem& next) { next.window_left = next.window_right = 0; });
    Try([](Problem& next) { next.window_left = 0; });
    Try([](Problem& next) { next.window_right = 0; });
    Try([](Problem& next) { next.local_block_size = 0; });
    Try([](Problem& next) { next.local_block_lookback = 0; });
    Try([](Problem& next) { next.prefix_ranges.clear(); });
    for (std::size_t i = 0; p().prefix_ranges.size() > 1 && i < p().prefix_ranges.size(); ++i) {
      Try([&](Problem& next) {
        next.prefix_ranges.erase(next.prefix_ranges.begin() + static_cast<std::ptrdiff_t>(i));
      });
    }
    Try([](Problem& next) { next.prefix_clamped = false; });
    Try([](Problem& next) { next.tree_mask = false; });
    Try([](Problem& next) {
      next.custom_mask = MaskKind::kNone;
      next.custom_mask_broadcast = {};
      next.additive_mask_dtype = DType::kFloat32;
    });
    Try([](Problem& next) { next.softcap = 0; });
    Try([](Problem& next) { next.alibi = false; });
    Try([](Problem& next) { next.sinks = false; });
    Try([](Problem& next) { next.lse = false; });
    Try([](Problem& next) { next.batch_invariant = false; });
    Try([](Problem& next) { next.page_aliasing = false; });
    Try([](Problem& next) { next.shared_prefix = 0; });
    Try([](Problem& next) { next.hybrid_split = 1; });
    Try([](Problem& next) { next.padding_tokens = 0; });
    Try([](Problem& next) { next.block_table_extra = 0; });
    Try([](Problem& next) { next.max_seq_len_slack = 0; });
    Try([](Problem& next) { next.max_query_len_slack = 0; });
    Try([](Problem& next) {
      next.padding_tokens = next.block_table_extra = 0;
      next.max_seq_len_slack = next.max_query_len_slack = 0;
      next.batch_invariant = false;
    });
    SimplerAttention();
    Try([](Problem& next) {
      next.cache_layout = CacheLayout::kNhd;
      next.token_layout = TokenLayout::kDense;
    });
    Try([](Problem& next) { next.cache_layout = CacheLayout::kNhd; });
    Try([](Problem& next) { next.token_layout = TokenLayout::kDense; });
    Try([](Problem& next) { next.kv_scale_kind = KvScaleKind::kNone; });
    Try([](Problem& next) {
      next.cache_dtype = next.query_dtype;
      next.kv_scale_kind = KvScaleKind::kNone;
    });
  }

  void SimplerAttention() {
    const auto become = [&](Causality causality) {
      Try([&](Problem& next) {
        next.attention_type = AttentionType::kDecoder;
        next.causality = causality;
        next.request_causal.clear();
        const std::vector<int> blocks = ClaimedSizes(claims_.block_sizes, 16);
        if (next.block_size == 0) next.block_size = blocks.empty() ? 0 : blocks.front();
      });
    };
    become(Causality::kCausal);
    become(Causality::kNonCausal);
  }

  void SmallerPages() {
    if (p().block_size == 0) return;
    const std::vector<int> blocks = ClaimedSizes(claims_.block_sizes, p().block_size - 1);
    if (blocks.empty()) return;
    const auto resize = [&](int block_size) {
      Try([&](Problem& next) {
        // As many shared pages as before.
        next.shared_prefix = next.shared_prefix / next.block_size * block_size;
        next.block_size = block_size;
      });
    };
    resize(blocks.front());
    resize(blocks[blocks.size() / 2]);
    resize(blocks.back());
  }

  void SmallerNumbers() {
    const auto less = [&](std::int64_t Problem::*member) {
      const std::int64_t value = p().*member;
      for (const std::int64_t smaller : {std::int64_t{1}, value / 2, value - 1}) {
        if (smaller >= 1 && smaller < value) Try([&](Problem& next) { next.*member = smaller; });
      }
    };
    less(&Problem::window_left);
    less(&Problem::window_right);
    less(&Problem::local_block_size);
    less(&Problem::local_block_lookback);
    less(&Problem::padding_tokens);
    less(&Problem::block_table_extra);
    less(&Problem::max_seq_len_slack);
    less(&Problem::max_query_len_slack);
    Try([](Problem& next) {
      next.window_left /= 2;
      next.window_right /= 2;
    });
    Try([](Problem& next) {
      if (next.window_left > 1) --next.window_left;
      if (next.window_right > 1) --next.window_right;
    });
    if (p().hybrid_split > 2) Try([](Problem& next) { next.hybrid_split = 2; });
    for (std::size_t i = 0; i < p().prefix_ranges.size(); ++i) {
      Try([&](Problem& next) { --next.prefix_ranges[i].last; });
      Try([&](Problem& next) {
        --next.prefix_ranges[i].first;
        --next.prefix_ranges[i].last;
      });
    }
    Try([](Problem& next) { next.scale = 1.0F; });
    Try([](Problem& next) {
      if (next.softcap > 0) next.softcap = 1.0F;
    });
  }

  void SimplerTypes() {
    const auto types = [&](DType query, DType cache, DType output) {
      Try([&](Problem& next) {
        next.query_dtype = query;
        next.cache_dtype = cache;
        next.output_dtype = output;
        if (SizeOf(cache) != 1) next.kv_scale_kind = KvScaleKind::kNone;
        next.additive_mask_dtype = DType::kFloat32;
      });
    };
    types(DType::kFloat32, DType::kFloat32, DType::kFloat32);
    types(p().query_dtype, p().query_dtype, p().query_dtype);
    types(DType::kFloat32, p().cache_dtype, p().output_dtype);
    types(p().query_dtype, p().query_dtype, p().output_dtype);
    types(p().query_dtype, p().cache_dtype, DType::kFloat32);
  }

  void SimplerInputs() {
    const auto keep = [](Problem&) {};
    if (from_.poison != Poison::kLoud) {
      Try(keep);
      found_.back().poison = Poison::kLoud;
    }
    for (const Recipe recipe : {Recipe::kVCoded, Recipe::kKCoded, Recipe::kGeneric}) {
      Try(keep);
      found_.back().recipe = recipe;
    }
    Try(keep);
    found_.back().seed = 0;
  }

  const Claims& claims_;
  const Sample& from_;
  std::vector<Sample> found_;
};

// A defect that hides behind the numbers of one seed shows with those of another.
std::vector<Sample> OtherInputs(const std::vector<Sample>& samples) {
  std::vector<Sample> others;
  for (const Sample& sample : samples) {
    for (const std::uint64_t seed : {1, 2}) {
      for (const Recipe recipe : {sample.recipe, Recipe::kGeneric}) {
        if (recipe == sample.recipe && seed == sample.seed) continue;
        Sample other = sample;
        other.seed = seed;
        other.recipe = recipe;
        if (others.empty() || others.back() != other) others.push_back(std::move(other));
      }
    }
  }
  return others;
}

}  // namespace

std::vector<Sample> SmallerSamples(const Aim& aim, const Sample& sample) {
  const SampleSize size = SizeOfSample(sample);
  std::vector<Sample> steps = Steps(aim.claims, sample).All();
  std::erase_if(steps, [&](const Sample& step) {
    return !(SizeOfSample(step) < size) || !WhyOutside(aim, step).empty();
  });
  // The size without seed and recipe decides whether other inputs are worth a try.
  std::vector<Sample> others = OtherInputs(steps);
  std::erase_if(others, [&](const Sample& other) {
    return !(SizeOfSample(other) < size) || !WhyOutside(aim, other).empty();
  });
  steps.insert(steps.end(), others.begin(), others.end());
  return steps;
}

namespace {

// Everything that one sample shrinks to.
auto Shrinker(std::shared_ptr<const Aim> aim) {
  return [aim = std::move(aim)](const std::optional<Sample>& from) {
    std::vector<std::optional<Sample>> smaller;
    if (from) {
      for (Sample& sample : SmallerSamples(*aim, *from)) smaller.emplace_back(std::move(sample));
    }
    return rc::seq::fromContainer(std::move(smaller));
  };
}

}  // namespace

rc::Shrinkable<std::optional<Sample>> ShrinkableOf(Aim aim, const Sample& sample) {
  return rc::shrinkable::shrinkRecur(std::optional<Sample>(sample),
                                     Shrinker(std::make_shared<const Aim>(std::move(aim))));
}

rc::Gen<std::optional<Sample>> Samples(Aim aim) {
  const auto shared = std::make_shared<const Aim>(std::move(aim));
  return [shared, shrink = Shrinker(shared)](const rc::Random& random, int size) {
    return rc::shrinkable::shrinkRecur(DrawSample(*shared, random, size), shrink);
  };
}

}  // namespace attest
