// SPDX-License-Identifier: Apache-2.0
#include "spec/models/model.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace attest {
namespace {

std::string Layer(const std::string& changes = "") {
  std::string layer =
      R"("kind": "self", "count": 4, "attention_type": "decoder", "causality": "causal",
         "num_q_heads": 8, "num_kv_heads": 2, "head_dim_qk": 64, "head_dim_v": 64, "scale": 0.125,
         "scale_source": "somewhere", "window": 100, "sinks": true, "softcap": 0,
         "dtype": "float16", "block_size": 16, "waits_for": [])";
  return "{" + layer + changes + "}";
}

std::string File(const std::string& layers) {
  return fmt::format(
      R"({{"schema": 1, "id": "m", "name": "M", "source": "s", "note": "", "layers": [{}]}})",
      layers);
}

ModelLayer OneLayer() { return ParseModel("m.json", File(Layer()))->layers.at(0); }

TEST(Models, ReadALayer) {
  const Result<Model> model = ParseModel("m.json", File(Layer()));
  ASSERT_TRUE(model.ok()) << model.status().message();
  const ModelLayer& layer = model->layers.at(0);
  EXPECT_EQ(layer.name, "causal-w100");
  EXPECT_EQ(layer.count, 4);
  EXPECT_EQ(layer.dtype, DType::kFloat16);
  EXPECT_TRUE(layer.sinks);
}

TEST(Models, ALayerCarriesWhatItsMasksAndScoresNeed) {
  const Result<Model> model = ParseModel(
      "m.json", File(Layer(R"(, "alibi": true, "local_block_size": 512, "custom_mask": "additive",
                              "cache_layout": "shared_latent")")));
  ASSERT_TRUE(model.ok()) << model.status().message();
  const std::optional<Problem> slice =
      SliceOf(model->layers.at(0), {"b", "", "decode", {{1, 9}}, 0, ""}, 2);
  ASSERT_TRUE(slice);
  EXPECT_TRUE(slice->alibi);
  EXPECT_EQ(slice->local_block_size, 512);
  EXPECT_EQ(slice->custom_mask, MaskKind::kAdditive);
  EXPECT_EQ(slice->cache_layout, CacheLayout::kSharedLatent);
}

TEST(Models, LayersOfOneDescriptionAreCounted) {
  const Result<Model> model = ParseModel("m.json", File(Layer() + "," + Layer() + "," + Layer()));
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(model->layers[1].name, "causal-w100-2");
  EXPECT_EQ(model->layers[2].name, "causal-w100-3");
}

TEST(Models, MistakesHaveAPlace) {
  const auto finds = [](const std::string& text, const std::string& what) {
    const Result<Model> model = ParseModel("m.json", text);
    ASSERT_FALSE(model.ok()) << what;
    EXPECT_NE(model.status().message().find(what), std::string::npos) << model.status().message();
    EXPECT_TRUE(model.status().message().starts_with("m.json:")) << model.status().message();
  };
  const auto with = [](std::string text, const std::string& from, const std::string& to) {
    return text.replace(text.find(from), from.size(), to);
  };
  finds(File(with(Layer(), "\"num_kv_heads\": 2", "\"num_kv_heads\": 3")), "does not divide");
  finds(File(with(Layer(), "float16", "float17")), "layers[0].dtype: unknown dtype");
  finds(File(with(Layer(), "\"count\": 4", "\"count\": 0")), "layers[0].count: not positive");
  finds(File(with(Layer(), "\"window\": 100", "\"window\": -1")), "layers[0].window: negative");
  finds(File(with(Layer(), "somewhere", "")), "layers[0].scale_source: empty");
  finds(File(with(Layer(), "\"self\"", "\"cross\"")), "layers[0].kind: contradicts");
  finds(File(with(Layer(), "\"decoder\"", "\"coder\"")), "layers[0].attention_type");
  finds(File(Layer(R"(, "x": 1)")), "layers[0].x: unknown key");
  finds(File(Layer(R"(, "alibi": 1)")), "layers[0].alibi: ");
  finds(File(Layer(R"(, "local_block_size": -1)")), "layers[0].local_block_size: ");
  finds(File(""), "not a list of layers");
  finds("{", "m.json:1:2");
}

std::string BatchFile(const std::string& fields) {
  return R"({"schema": 1, "batches": [{"id": "b", "source": "s", "note": "", )" + fields + "}]}";
}

TEST(Batches, AreReadAndChecked) {
  const auto error = [](const std::string& fields) {
    const auto batches = ParseBatches("b.json", BatchFile(fields));
    return batches.ok() ? "" : batches.status().message();
  };
  const auto batches =
      ParseBatches("b.json", BatchFile(R"("kind": "mixed", "q_lens": [1, 4], "seq_lens": [9, 4],
                             "shared_prefix": 0)"));
  ASSERT_TRUE(batches.ok()) << batches.status().message();
  EXPECT_EQ((*batches)[0].requests, (std::vector<Request>{{1, 9}, {4, 4}}));
  EXPECT_NE(error(R"("kind": "odd", "q_lens": [1], "seq_lens": [9], "shared_prefix": 0)")
                .find("unknown kind"),
            std::string::npos);
  EXPECT_NE(error(R"("kind": "mixed", "q_lens": [1], "seq_lens": [9, 9], "shared_prefix": 0)")
                .find("not as many"),
            std::string::npos);
  EXPECT_NE(
      error(R"("kind": "mixed", "q_lens": [], "seq_lens": [], "shared_prefix": 0)").find("empty"),
      std::string::npos);
}

TEST(Slices, DivideQueryHeadsAndRepeatKvHeadsWhenThereAreFewer) {
  const BatchSpec batch = {"b", "", "decode", {{1, 9}}, 0, ""};
  const ModelLayer layer = OneLayer();
  EXPECT_EQ(SliceOf(layer, batch, 1)->num_kv_heads, 2);
  EXPECT_EQ(SliceOf(layer, batch, 2)->num_q_heads, 4);
  EXPECT_EQ(SliceOf(layer, batch, 2)->num_kv_heads, 1);
  EXPECT_EQ(SliceOf(layer, batch, 8)->num_q_heads, 1);
  EXPECT_EQ(SliceOf(layer, batch, 8)->num_kv_heads, 1);
  EXPECT_EQ(SliceOf(layer, batch, 16), std::nullopt);
}

TEST(Slices, AWindowHoldsOnBothSidesUnlessTheLayerIsCausal) {
  const BatchSpec batch = {"b", "", "decode", {{1, 9}}, 0, ""};
  ModelLayer layer = OneLayer();
  EXPECT_EQ(SliceOf(layer, batch, 1)->window_left, 100);
  EXPECT_EQ(SliceOf(layer, batch, 1)->window_right, 0);
  layer.causality = Causality::kNonCausal;
  EXPECT_EQ(SliceOf(layer, batch, 1)->window_right, 100);
}

TEST(Slices, EncoderLayersTakeEncoderBatchesAndNoOthersDo) {
  ModelLayer layer = OneLayer();
  EXPECT_TRUE(Suits(layer, {"b", "", "decode", {}, 0, ""}));
  EXPECT_FALSE(Suits(layer, {"b", "", "encoder", {}, 0, ""}));
  layer.attention_type = AttentionType::kEncoderOnly;
  EXPECT_TRUE(Suits(layer, {"b", "", "encoder", {}, 0, ""}));
}

}  // namespace
}  // namespace attest
