// SPDX-License-Identifier: Apache-2.0
//
// dflash_config as a pure function of the draft's HF config: the same answer to every reader, in
// any order of construction.
#ifndef ATTEST_REFERENCE_DRAFTER_LAYERS_H_
#define ATTEST_REFERENCE_DRAFTER_LAYERS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reference/drafter/draft_config.h"
#include "reference/drafter/era.h"
#include "reference/drafter/selector.h"

namespace attest::drafter {

// Which key decided the causality of a layer.
enum class CausalitySource : std::uint8_t {
  kEra,           // E0, E1: always non-causal
  kIsCausal,      // top level
  kDflashCausal,  // dflash_config.causal
  kLayerTypes,
  kDefault  // no key: non-causal
};
std::string_view NameOf(CausalitySource source);

struct LayerPlan {
  int index = 0;
  bool sliding = false;
  std::optional<std::int64_t> window;  // keys, self included
  bool causal = false;                 // what the layer asks for
  CausalitySource source = CausalitySource::kDefault;
  friend bool operator==(const LayerPlan&, const LayerPlan&) = default;
};

// What the causality helper and the model class make of the config in this era, or what they raise.
// A missing number of layers counts as layer_types' length, or 1. Where the model class raises, the
// layers still carry what the causality helper said.
struct LayersOutcome {
  std::vector<LayerPlan> layers;
  std::optional<Raised> helper_raised;  // before the drafter's config exists
  std::optional<Raised> model_raised;   // when its layers are built
};
LayersOutcome ResolveLayers(const DraftConfig& draft, Era era, Runner runner);

// OR over the layers of "not causal".
bool AnyNonCausal(const std::vector<LayerPlan>& layers);

// KV group of each layer. Sliding and full layers are apart, unless the hybrid manager is off.
std::vector<int> KvGroups(const std::vector<LayerPlan>& layers, bool hybrid);

// The flag that the runner hands to the metadata builder for one layer. R1 has one for all: in E2
// dflash_config.causal as it is, of whatever type. R2 has one for each KV group, the last layer's.
LooseValue MetadataCausal(const DraftConfig& draft, Era era, Runner runner,
                          const std::vector<LayerPlan>& layers, const std::vector<int>& kv_groups,
                          int layer);

// The speculators format as a plain draft config. KeyError and TypeError as the real converter.
struct Translated {
  DraftConfig config;
  std::optional<Raised> raised;
};
Translated TranslateSpeculators(const DraftConfig& draft, Era era);

// dflash_config.mask_token_id, mask_token_id, dspark_noise_token_id, pard_token, ptd_token_id.
struct MaskToken {
  std::optional<std::int64_t> id;
  std::string key;  // that had it
  std::optional<Raised> raised;
};
MaskToken ResolveMaskToken(const DraftConfig& draft);

// Target layers whose outputs feed the drafter, as vLLM counts them ("before layer"): +1 on z-lab
// ids since E0b. Empty: the target's own default, with a warning.
struct AuxLayers {
  std::vector<std::int64_t> ids;
  std::string key;
  bool shifted = false;
};
AuxLayers ResolveAuxLayers(const DraftConfig& draft, Era era);

bool HasSinks(const DraftConfig& draft, Era era);
// Nested first, then top level.
std::optional<std::int64_t> BlockSizeOf(const DraftConfig& draft);

}  // namespace attest::drafter

#endif  // ATTEST_REFERENCE_DRAFTER_LAYERS_H_
