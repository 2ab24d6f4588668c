// SPDX-License-Identifier: Apache-2.0
#include "reference/drafter/metadata_check.h"

#include <gtest/gtest.h>

namespace attest::drafter {
namespace {

MetadataRecord Record(int layer, bool asked, bool selected, LooseValue metadata, int group = 0) {
  return {.layer = layer,
          .kv_group = group,
          .asked_causal = asked,
          .selected_non_causal = selected,
          .metadata_causal = std::move(metadata)};
}

std::vector<std::string> Rules(const std::vector<MetadataRecord>& records) {
  std::vector<std::string> rules;
  for (const MetadataViolation& violation : CheckMetadata(records)) rules.push_back(violation.rule);
  return rules;
}

using Names = std::vector<std::string>;

TEST(MetadataCheck, AgreesInBothModes) {
  EXPECT_EQ(Rules({}), Names{});
  EXPECT_EQ(Rules({Record(0, true, false, LooseBool(true))}), Names{});
  EXPECT_EQ(Rules({Record(0, false, true, LooseBool(false))}), Names{});
  EXPECT_EQ(Rules({Record(0, true, true, LooseBool(true), 0),
                   Record(1, false, true, LooseBool(false), 1)}),
            Names{});
}

// Causal mode is where the real check is skipped.
TEST(MetadataCheck, ComparesWhatTheMetadataSays) {
  EXPECT_EQ(Rules({Record(0, true, false, LooseBool(false))}), Names{"metadata-differs"});
  EXPECT_EQ(Rules({Record(0, false, true, LooseBool(true))}), Names{"metadata-differs"});
}

TEST(MetadataCheck, LayersThatDifferAlikeShareAViolation) {
  const auto found = CheckMetadata({Record(0, true, false, LooseBool(false)),
                                    Record(1, true, false, LooseBool(true)),
                                    Record(2, true, false, LooseBool(false))});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].layers, (std::vector<int>{0, 2}));
  EXPECT_EQ(found[0].text, "layers 0, 2 ask for causal=true, their metadata says false");
}

TEST(MetadataCheck, TakesNoOtherTypeForABoolean) {
  for (const LooseValue& value : {LooseValue{}, LooseNull(), LooseInteger(0), LooseText(""),
                                  LooseInteger(1), LooseList(true, "[]")}) {
    EXPECT_EQ(Rules({Record(0, false, true, value)}), Names{"metadata-differs"}) << value.text;
    EXPECT_EQ(Rules({Record(0, true, false, value)}), Names{"metadata-differs"}) << value.text;
  }
}

TEST(MetadataCheck, SelectionIsTheOrOverAllLayers) {
  EXPECT_EQ(Rules({Record(0, false, false, LooseBool(false))}), Names{"selected-differs"});
  EXPECT_EQ(Rules({Record(0, true, true, LooseBool(true))}), Names{"selected-differs"});
  const auto mixed = CheckMetadata(
      {Record(0, true, false, LooseBool(true), 0), Record(1, false, true, LooseBool(false), 1)});
  ASSERT_EQ(mixed.size(), 1U);
  EXPECT_EQ(mixed[0].layers, std::vector<int>{0});
}

TEST(MetadataCheck, RejectsMixedCausalityInOneGroup) {
  const auto found = CheckMetadata(
      {Record(0, true, true, LooseBool(true)), Record(1, false, true, LooseBool(false))});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].rule, "mixed-kv-group");
  EXPECT_EQ(found[0].layers, (std::vector<int>{0, 1}));
  EXPECT_EQ(found[0].text, "layers 0, 1 share KV group 0 and differ in causality");
}

TEST(MetadataCheck, TheAssertionOfR1WantsTheObjectFalse) {
  EXPECT_EQ(AssertionOfR1({Record(0, false, true, LooseBool(false))}, 36), "");
  for (const LooseValue& value :
       {LooseValue{}, LooseNull(), LooseInteger(0), LooseText(""), LooseBool(true)}) {
    EXPECT_EQ(
        AssertionOfR1({Record(2, false, true, value)}, 36),
        "Attention metadata for layer model.layers.38.self_attn.attn does not have non-causal "
        "support, which is required for DFlash. Consider using a different attention backend, "
        "e.g FlashAttention.");
  }
}

}  // namespace
}  // namespace attest::drafter
