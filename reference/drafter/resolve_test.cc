// SPDX-License-Identifier: Apache-2.0
//
// The real configs, by hand; and laws over random configurations.
#include "reference/drafter/resolve.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "reference/drafter/drafter_case.h"
#include "reference/drafter/resolution_output.h"

namespace attest::drafter {
namespace {

const Tables& TheTables() { return **LoadTables(); }

// ---- Transcribed from public configs and rules, one line a config.

struct Expected {
  const char* config;
  const char* layers_e2;  // C causal, N not
  const char* layers_e5;
  const char* windows_e5;  // S sliding, F full
  bool non_causal_e2;
  bool non_causal_e5;
  bool mixed;
};

constexpr Expected kExpected[] = {
    {"kimi-k2.7-code-dflash", "NNNNNN", "NNNNNN", "FFFFFF", true, true, false},
    {"qwen2.5-0.5b-dflash", "NNNNN", "NNNNN", "FFFFF", true, true, false},
    {"qwen3-4b-dflash", "NNNNN", "NNNNN", "FFFFF", true, true, false},
    {"qwen3-8b-dflash", "NNNNN", "NNNNN", "FFFFF", true, true, false},
    {"qwen3-8b-dflash-b16", "NNNNN", "NNNNN", "FFFFF", true, true, false},
    {"qwen3-8b-dspark", "NNNNN", "NNNNN", "FFFFF", true, true, false},
    {"qwen3.5-0.8b-dflash-moonlight", "NNNNN", "NNNNN", "FFFFF", true, true, false},
    {"qwen3.5-35b-a3b-dflash", "NNNNNNNN", "NNNNNNNN", "FFFFFFFF", true, true, false},
    {"qwen3.5-4b-dflash", "NNNNN", "NNNNN", "FFFFF", true, true, false},
    {"qwen3.6-27b-dflash", "NNNNN", "CCCCN", "SSSSF", true, true, true},
    {"qwen3.6-27b-dflash2", "NNNNN", "NNNNN", "SSSSS", true, true, false},
    {"speculators-defaults", "N", "N", "F", true, true, false},
};

std::string Causality(const Resolution& resolution) {
  std::string text;
  for (const LayerPlan& layer : resolution.layers) text += layer.causal ? 'C' : 'N';
  return text;
}

TEST(RealConfigs, ResolveAsTranscribed) {
  const Result<std::vector<NamedDraft>> drafts = LoadNamedDrafts();
  ASSERT_TRUE(drafts.ok());
  EXPECT_EQ(drafts->size(), std::size(kExpected));
  for (const Expected& expected : kExpected) {
    const auto draft = std::find_if(drafts->begin(), drafts->end(),
                                    [&](const NamedDraft& d) { return d.name == expected.config; });
    ASSERT_NE(draft, drafts->end()) << expected.config;
    const auto resolve = [&](Era era, Runner runner) {
      return Resolve(TheTables(), TargetConfig{}, draft->config, {.era = era, .runner = runner});
    };
    const Resolution e2 = resolve(Era::kE2, Runner::kR1);
    EXPECT_EQ(Causality(e2), expected.layers_e2) << expected.config;
    EXPECT_EQ(e2.drafter.config.use_non_causal, expected.non_causal_e2) << expected.config;
    const Resolution e5 = resolve(Era::kE5, Runner::kR2);
    EXPECT_EQ(Causality(e5), expected.layers_e5) << expected.config;
    std::string windows;
    for (const LayerPlan& layer : e5.layers) windows += layer.sliding ? 'S' : 'F';
    EXPECT_EQ(windows, expected.windows_e5) << expected.config;
    EXPECT_EQ(e5.drafter.config.use_non_causal, expected.non_causal_e5) << expected.config;
    EXPECT_EQ(e5.mixed_layers(), expected.mixed) << expected.config;
    const Resolution r1 = resolve(Era::kE5, Runner::kR1);
    const bool refuses_mixed = std::any_of(
        r1.rejections.begin(), r1.rejections.end(),
        [](const Rejection& rejection) { return rejection.raised.type == "NotImplementedError"; });
    EXPECT_EQ(refuses_mixed, expected.mixed) << expected.config;
  }
}

// ---- What changed between eras, and who did it

DraftConfig Draft(bool causal) {
  DraftConfig draft;
  draft.architectures = {"DFlashDraftModel"};
  draft.num_hidden_layers = 2;
  draft.head_dim = 128;
  draft.vocab_size = 1000;
  draft.dflash.section = LooseObject(false, "{}");
  draft.dflash.mask_token_id = LooseInteger(7);
  if (causal) draft.dflash.causal = LooseBool(true);
  return draft;
}

std::vector<std::string> Because(const std::vector<Change>& changes, const std::string& part) {
  std::vector<std::string> references;
  for (const Change& change : changes) {
    if (change.part != part) continue;
    for (const EraEvent* event : change.because) references.push_back(event->reference);
  }
  return references;
}

using References = std::vector<std::string>;

TEST(Eras, NameThePullRequestThatChangedThePart) {
  TargetConfig mla;
  mla.model.use_mla = true;
  mla.model.head_dim = 576;
  const ResolveOptions hopper{.platform = {PlatformKind::kCuda, {9, 0}}, .explain = false};
  const auto e0 = Diff(TheTables(), mla, Draft(false), hopper, Era::kE0, Era::kE1);
  EXPECT_EQ(Because(e0, "target.backend"), References{"vllm-project/vllm#39930"});
  EXPECT_EQ(Because(e0, "target.use_non_causal"), References{"vllm-project/vllm#39930"});

  const ResolveOptions rocm{.platform = {PlatformKind::kRocm, {}}, .explain = false};
  const auto e0c = Diff(TheTables(), {}, Draft(false), rocm, Era::kE0, Era::kE1b);
  EXPECT_EQ(Because(e0c, "drafter.backend"),
            (References{"vllm-project/vllm#40176", "vllm-project/vllm#40394"}));

  const ResolveOptions turing{.platform = {PlatformKind::kCuda, {7, 5}}, .explain = false};
  const auto flex = Diff(TheTables(), {}, Draft(false), turing, Era::kE0b, Era::kE1);
  EXPECT_EQ(Because(flex, "drafter.backend"), References{"vllm-project/vllm#40394"});

  const auto e2 = Diff(TheTables(), {}, Draft(true), hopper, Era::kE1, Era::kE2);
  EXPECT_EQ(Because(e2, "layers"), References{"vllm-project/vllm#43445"});
  EXPECT_EQ(Because(e2, "drafter.use_non_causal"), References{"vllm-project/vllm#43445"});
}

TEST(Eras, SameEraChangesNothingAndBackNamesTheSame) {
  const ResolveOptions options{.platform = {PlatformKind::kCuda, {9, 0}}, .explain = false};
  EXPECT_TRUE(Diff(TheTables(), {}, Draft(true), options, Era::kE3, Era::kE3).empty());
  const auto there = Diff(TheTables(), {}, Draft(true), options, Era::kE1, Era::kE2);
  const auto back = Diff(TheTables(), {}, Draft(true), options, Era::kE2, Era::kE1);
  ASSERT_EQ(there.size(), back.size());
  for (std::size_t i = 0; i < there.size(); ++i) {
    EXPECT_EQ(there[i].from, back[i].to);
    EXPECT_EQ(there[i].to, back[i].from);
    EXPECT_EQ(there[i].because, back[i].because);
  }
}

// Every change that the model shows has an event that accounts for it.
TEST(Eras, EveryChangeHasAReason) {
  const Result<std::vector<NamedDraft>> drafts = LoadNamedDrafts();
  ASSERT_TRUE(drafts.ok());
  for (const NamedDraft& draft : *drafts) {
    for (const char* name : {"cuda:7.5", "cuda:8.0", "cuda:9.0", "cuda:10.0", "rocm", "cpu"}) {
      for (std::size_t i = 1; i < kAllEras.size(); ++i) {
        for (const Runner runner : kAllRunners) {
          const ResolveOptions options{
              .runner = runner, .platform = ParsePlatform(name).value(), .explain = false};
          for (const Change& change :
               Diff(TheTables(), {}, draft.config, options, kAllEras[i - 1], kAllEras[i])) {
            EXPECT_FALSE(change.because.empty())
                << draft.name << " " << name << " " << NameOf(runner) << " to "
                << NameOf(kAllEras[i]) << ": " << change.part << ": " << change.from << " -> "
                << change.to;
          }
        }
      }
    }
  }
}

// ---- Random configurations, without rapidcheck's generators where a million are wanted.

struct Question {
  TargetConfig target;
  DraftConfig draft;
  ResolveOptions options;
};

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}

  bool Coin(int one_in = 2) { return Below(one_in) == 0; }
  int Below(int n) { return static_cast<int>(engine_() % static_cast<std::uint64_t>(n)); }
  template <typename T>
  T Of(std::initializer_list<T> values) {
    return *(values.begin() + Below(static_cast<int>(values.size())));
  }
  LooseValue Causality() {
    switch (Below(8)) {
      case 0:
        return LooseNull();
      case 1:
        return LooseBool(true);
      case 2:
        return LooseBool(false);
      case 3:
        return Of<LooseValue>({LooseInteger(0), LooseInteger(1), LooseText(""), LooseText("false"),
                               LooseList(true, "[]"), LooseList(false, "[0]")});
      default:
        return {};
    }
  }
  LooseValue Backend() {
    if (Coin()) return {};
    return LooseText(Of<const char*>({"auto", "FLASH_ATTN", "FLASHINFER", "TRITON_ATTN",
                                      "ROCM_ATTN", "FLEX_ATTENTION", "FLASHMLA",
                                      "BIDIRECTIONAL_ONLY", "CPU_ATTN", "CUSTOM", "nothing"}));
  }

  Question Ask() {
    Question q;
    DraftConfig& draft = q.draft;
    draft.architectures = {"DFlashDraftModel"};
    draft.num_hidden_layers = Below(7);
    draft.head_dim = Of<std::int64_t>({64, 80, 128, 256, 512});
    draft.vocab_size = 1000;
    draft.block_size = LooseInteger(Of<std::int64_t>({8, 16}));
    draft.is_causal = Causality();
    draft.dflash.section = LooseObject(false, "{}");
    draft.dflash.causal = Causality();
    if (!Coin(8)) draft.dflash.mask_token_id = LooseInteger(Below(1010));
    if (Coin(4)) draft.dflash.use_swa = LooseBool(Coin());
    if (Coin()) draft.sliding_window = LooseInteger(128);
    if (Coin(5)) draft.dflash.swa_window_size = Coin() ? LooseNull() : LooseInteger(64);
    if (Coin(4)) draft.dflash.attention_sink_bias = LooseBool(true);
    if (Coin()) {
      const int length = Coin(6) ? Below(8) : static_cast<int>(*draft.num_hidden_layers);
      for (int i = 0; i < length; ++i) {
        draft.layer_types.items.emplace_back(Coin() ? "sliding_attention" : "full_attention");
      }
      draft.layer_types.value = LooseList(length == 0, "[...]");
    }
    TargetConfig& target = q.target;
    target.attention.backend = Backend();
    target.speculative.attention_backend = Backend();
    target.model.use_mla = Coin(6);
    target.model.is_mm_prefix_lm = Coin(6);
    target.model.has_sink = Coin(6);
    target.model.dtype = Of<const char*>({"bfloat16", "bfloat16", "float16", "float32"});
    target.cache.cache_dtype = Of<const char*>({"auto", "auto", "fp8", "bfloat16"});
    if (Coin(4)) target.cache.block_size = Of<std::int64_t>({8, 16, 64});
    target.cache.disable_hybrid_kv_cache_manager = Coin(6);
    target.environment.batch_invariant = Coin(5);
    target.environment.rocm_aiter_found = Coin();
    if (Coin(6)) target.speculative.method = Of<const char*>({"eagle3", "dspark", "mtp", "ngram"});
    q.options.era = kAllEras[static_cast<std::size_t>(Below(9))];
    q.options.runner = Coin() ? Runner::kR1 : Runner::kR2;
    q.options.platform = Of<Platform>({{PlatformKind::kCuda, {7, 5}},
                                       {PlatformKind::kCuda, {8, 0}},
                                       {PlatformKind::kCuda, {9, 0}},
                                       {PlatformKind::kCuda, {10, 0}},
                                       {PlatformKind::kCuda, {12, 0}},
                                       {PlatformKind::kRocm, {}},
                                       {PlatformKind::kCpu, {}}});
    q.options.strict = Coin();
    q.options.explain = false;
    return q;
  }

 private:
  std::mt19937_64 engine_;
};

bool Chosen(const Selection& selection) { return selection.chosen.has_value(); }

// DRAFT-21: what is chosen is valid, what was passed over is not.
void CheckSelection(const Selection& selection, const Platform& platform) {
  ASSERT_NE(Chosen(selection), selection.raised.has_value());
  if (platform.kind == PlatformKind::kCpu) return;
  for (const Candidate& candidate : selection.candidates) {
    const bool chosen = selection.chosen == candidate.backend;
    if (chosen) {
      ASSERT_TRUE(candidate.reasons.empty());
      return;
    }
    ASSERT_FALSE(candidate.reasons.empty());
    ASSERT_TRUE(std::is_sorted(candidate.reasons.begin(), candidate.reasons.end(),
                               [](const Reason& a, const Reason& b) { return a.id < b.id; }));
  }
}

// DRAFT-18 and DRAFT-19: one requirement more takes backends away and never gives one.
void CheckRequirements(const Question& q, const SelectorConfig& config) {
  SelectorConfig more = config;
  more.use_batch_invariant = true;
  SelectorConfig causal = config;
  causal.use_non_causal = false;
  causal.needs_causal = false;
  for (BackendId b = 0; b < TheTables().backend_names.size(); ++b) {
    if (!TheTables().row(q.options.era, b).present) continue;
    const auto validate = [&](const SelectorConfig& c) {
      return Validate(TheTables(), q.options.era, q.options.platform, b, c).empty();
    };
    ASSERT_TRUE(!validate(more) || validate(config)) << TheTables().name(b);
    ASSERT_TRUE(!validate(config) || validate(causal)) << TheTables().name(b);
  }
}

void CheckLaws(const Question& q) {
  const Resolution r = Resolve(TheTables(), q.target, q.draft, q.options);
  CheckSelection(r.target_selection, q.options.platform);
  for (const Selection& selection : r.draft_selections) {
    CheckSelection(selection, q.options.platform);
    ASSERT_EQ(selection.config.use_mla, false);  // DRAFT-28: no drafter here has latent heads
  }
  // DRAFT-10
  ASSERT_FALSE(q.options.era >= Era::kE1 && r.target.use_non_causal);
  const bool dflash = r.drafter.method == "dflash" || r.drafter.method == "dspark";
  // DRAFT-11, and before E1 always.
  if (dflash && q.options.era >= Era::kE1) {
    ASSERT_EQ(r.drafter.config.use_non_causal, AnyNonCausal(r.layers));
  }
  // DRAFT-50: served means that all three agree.
  ASSERT_TRUE(r.rejected() || CheckMetadata(r.records).empty());
  ASSERT_EQ(r.records.size(), r.layers.size());
  // Under --strict a finding rejects, and never without it.
  const bool by_rule = std::any_of(r.rejections.begin(), r.rejections.end(),
                                   [](const auto& x) { return x.step == Step::kStrict; });
  ASSERT_EQ(by_rule, q.options.strict && !r.strict_findings.empty());
  // DRAFT-22, DRAFT-23: asked again, in another order, the answer is the same.
  if (!r.draft_selections.empty()) CheckRequirements(q, r.draft_selections.front().config);
}

// A million take less than a minute: ATTEST_DRAFTER_QUESTIONS=1000000.
TEST(Laws, HoldForRandomConfigurations) {
  const char* wanted = std::getenv("ATTEST_DRAFTER_QUESTIONS");
  const int questions = wanted == nullptr ? 3000 : std::atoi(wanted);
  Dice dice(20260101);
  for (int i = 0; i < questions; ++i) {
    const Question q = dice.Ask();
    CheckLaws(q);
    ASSERT_FALSE(HasFatalFailure()) << "question " << i;
  }
}

RC_GTEST_PROP(Laws, AnswersDoNotDependOnWhatWasAskedBefore, ()) {
  Dice dice(*rc::gen::arbitrary<std::uint64_t>());
  const Question a = dice.Ask();
  const Question b = dice.Ask();
  const auto answer = [](const Question& q) {
    return ToJson(TheTables(), Resolve(TheTables(), q.target, q.draft, q.options));
  };
  const auto first = answer(a);
  const Question kept = a;
  RC_ASSERT(answer(b) == answer(b));
  RC_ASSERT(answer(a) == first);
  RC_ASSERT(kept.target == a.target);
  RC_ASSERT(kept.draft == a.draft);
}

// DRAFT-17 on the level of the model: what no rule reads changes nothing.
RC_GTEST_PROP(Laws, UnreadKeysChangeNothing, ()) {
  Dice dice(*rc::gen::arbitrary<std::uint64_t>());
  const Question q = dice.Ask();
  DraftConfig other = q.draft;
  other.model_type = "another";
  other.num_key_value_heads = 7;
  other.dflash.use_aux_hidden_state = LooseBool(false);
  RC_ASSERT(ToJson(TheTables(), Resolve(TheTables(), q.target, q.draft, q.options)) ==
            ToJson(TheTables(), Resolve(TheTables(), q.target, other, q.options)));
}

}  // namespace
}  // namespace attest::drafter
