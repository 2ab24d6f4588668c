// SPDX-License-Identifier: Apache-2.0
#include "reference/drafter/parse.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "reference/drafter/platform.h"
#include "spec/drafter/embedded.h"

namespace attest::drafter {
namespace {

using Json = nlohmann::ordered_json;

std::string TargetError(std::string_view text) {
  const Result<TargetConfig> target = ParseTarget("T.json", text);
  return target.ok() ? "" : target.status().message();
}

std::string DraftError(std::string_view text) {
  const Result<DraftConfig> draft = ParseDraft("D.json", text);
  return draft.ok() ? "" : draft.status().message();
}

TEST(ParseTarget, EmptyHasEveryDefault) {
  const Result<TargetConfig> target = ParseTarget("T.json", "{}");
  ASSERT_TRUE(target.ok());
  EXPECT_EQ(*target, TargetConfig{});
}

TEST(ParseTarget, BadInputSaysFilePlaceAndKey) {
  EXPECT_EQ(TargetError("{\"foo\": 1}"), "T.json:1:9: foo: unknown key");
  EXPECT_EQ(TargetError("{\n \"cache\": {\"blocksize\": 16}}"),
            "T.json:2:25: cache.blocksize: unknown key");
  EXPECT_EQ(TargetError("{\"cache\": {\"block_size\": \"16\"}}"),
            "T.json:1:26: cache.block_size: not an integer");
  EXPECT_EQ(TargetError("{\"cache\": []}"), "T.json:1:11: cache: not an object");
  EXPECT_EQ(TargetError("[]"), "T.json:1:1: the whole: not an object");
  EXPECT_EQ(TargetError("{\"attention\": {\"backend\": 5}}"),
            "T.json:1:27: attention.backend: neither a text nor null");
  EXPECT_EQ(TargetError("{\"attention\": {\"flash_attn_version\": 5}}"),
            "T.json:1:38: attention.flash_attn_version: neither 2, 3, 4 nor null");
  EXPECT_EQ(TargetError("{\"model\": {\"dtype\": \"int8\"}}"),
            "T.json:1:21: model.dtype: not one of auto, float16, bfloat16, float32");
  EXPECT_EQ(TargetError("{\"model\": {\"head_dim\": 0}}"),
            "T.json:1:24: model.head_dim: not between 1 and 2^31");
  EXPECT_EQ(TargetError("{\"model\": {\"use_mla\": null}}"),
            "T.json:1:23: model.use_mla: neither true nor false");
}

TEST(ParseTarget, BrokenTextIsOneLineWithAPlace) {
  EXPECT_TRUE(TargetError("").starts_with("T.json:1:1: "));
  EXPECT_TRUE(TargetError("{\"model\": {").starts_with("T.json:1:1"));
  EXPECT_TRUE(TargetError("{\"model\": NaN}").starts_with("T.json:1:1"));
  EXPECT_TRUE(TargetError("{\"model\": {}, \"model\": {}}").ends_with("\"model\" stands twice"));
  EXPECT_TRUE(TargetError("{\"moe_backend\": \"\xff\"}").starts_with("T.json:1:"));
  EXPECT_TRUE(TargetError(std::string(100000, '[')).starts_with("T.json"));
  std::string deep = std::string(70, '[') + std::string(70, ']');
  EXPECT_EQ(TargetError("{\"model\": " + deep + "}"), "T.json: more than 64 levels");
  EXPECT_TRUE(TargetError("{\"cache\": {\"block_size\": 1e999}}").starts_with("T.json"));
  for (const std::string& error : {TargetError(""), TargetError("{\"model\": NaN}"),
                                   TargetError("{\"moe_backend\": \"\xff\"}")}) {
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
  }
}

TEST(ParseTarget, EveryKeyOfTheSchemaIsRead) {
  const auto& files = DrafterFiles();
  const auto file = std::find_if(files.begin(), files.end(), [](const EmbeddedFile& f) {
    return f.path == "spec/drafter/target.schema.json";
  });
  ASSERT_NE(file, files.end());
  const Json schema = Json::parse(file->text);
  int keys = 0;
  for (const auto& [name, property] : schema["properties"].items()) {
    if (!property.contains("properties")) continue;
    for (const auto& [key, rule] : property["properties"].items()) {
      // An object fits no key but the map: the message shows that the key is known.
      const std::string error =
          TargetError(Json{{name, {{key, Json::array({Json::object()})}}}}.dump());
      EXPECT_NE(error, "") << name << "." << key;
      EXPECT_EQ(error.find("unknown key"), std::string::npos) << error;
      if (!rule.contains("default") || rule["default"].is_null()) continue;
      const Result<TargetConfig> same =
          ParseTarget("T.json", Json{{name, {{key, rule["default"]}}}}.dump());
      ASSERT_TRUE(same.ok()) << same.status().message();
      EXPECT_EQ(*same, TargetConfig{}) << name << "." << key << " has another default";
      ++keys;
    }
  }
  EXPECT_EQ(keys, 38);
}

TEST(ParseDraft, ReadsOverUnknownKeysAndKeepsLooseOnes) {
  const Result<DraftConfig> draft = ParseDraft(
      "D.json",
      R"({"_meta": {"a": [1]}, "is_causal": "no", "dflash_config": {"causal": 0, "zzz": {}}})");
  ASSERT_TRUE(draft.ok()) << draft.status().message();
  EXPECT_EQ(draft->is_causal, LooseText("no"));
  EXPECT_EQ(draft->dflash.causal, LooseInteger(0));
  EXPECT_FALSE(draft->dflash.causal.truthy);
  EXPECT_TRUE(draft->dflash.section.truthy);
  EXPECT_FALSE(draft->dflash.mask_token_id.given());
}

TEST(ParseDraft, OtherWrongTypesAreErrors) {
  EXPECT_EQ(DraftError(R"({"num_hidden_layers": "5"})"),
            "D.json:1:23: num_hidden_layers: not an integer");
  EXPECT_EQ(DraftError(R"({"num_hidden_layers": 5000})"),
            "D.json:1:23: num_hidden_layers: more than 4096");
  EXPECT_EQ(DraftError(R"({"layer_types": [1]})"), "D.json:1:17: layer_types: not a list of texts");
  EXPECT_EQ(DraftError(R"({"dflash_config": {"target_layer_ids": ["a"]}})"),
            "D.json:1:40: dflash_config.target_layer_ids: not a list of integers");
  EXPECT_EQ(DraftError(R"({"dflash_config": {"mask_token_id": 1.5}})"),
            "D.json:1:37: dflash_config.mask_token_id: neither an integer below 2^31 nor null");
  EXPECT_EQ(DraftError(R"({"head_dim": 99999999999999999999})"),
            "D.json:1:14: head_dim: not an integer");
  EXPECT_EQ(DraftError("7"), "D.json:1:1: the whole: not an object");
}

TEST(ApplySet, ReachesTargetAndDraft) {
  Json target = Json::object();
  Json draft = Json::object();
  ASSERT_TRUE(ApplySet("speculative.num_speculative_tokens=8", target, draft).ok());
  ASSERT_TRUE(ApplySet("draft.dflash_config.causal=true", target, draft).ok());
  ASSERT_TRUE(ApplySet("moe_backend=triton", target, draft).ok());
  ASSERT_TRUE(ApplySet("draft.layer_types=[\"full_attention\"]", target, draft).ok());
  EXPECT_EQ(target,
            Json({{"speculative", {{"num_speculative_tokens", 8}}}, {"moe_backend", "triton"}}));
  EXPECT_EQ(draft,
            Json({{"dflash_config", {{"causal", true}}}, {"layer_types", {"full_attention"}}}));
}

TEST(ApplySet, SaysWhatIsWrong) {
  Json target = {{"moe_backend", "auto"}};
  Json draft = Json::object();
  for (const char* wrong : {"", "=1", "a", "a..b=1", ".a=1", "a.=1", "draft.=1", "moe_backend.x=1",
                            "draft.a=[1", "draft.a={\"b\": 1, \"b\": 2}"}) {
    const Status status = ApplySet(wrong, target, draft);
    EXPECT_EQ(status.code(), StatusCode::kBadInput) << wrong;
    EXPECT_TRUE(status.message().starts_with("--set ")) << status.message();
  }
}

TEST(Platform, IsParsedExactly) {
  for (const char* name :
       {"cuda:7.5", "cuda:8.0", "cuda:9.0", "cuda:10.0", "cuda:12.1", "rocm", "cpu"}) {
    const Result<Platform> platform = ParsePlatform(name);
    ASSERT_TRUE(platform.ok()) << name;
    EXPECT_EQ(NameOf(*platform), name);
  }
  for (const char* name : {"", "cuda", "cuda:8", "cuda:8.", "cuda:.0", "cuda:8.0.0", "cuda:6.0",
                           "cuda:13.0", "CUDA:8.0", "rocm ", "cuda:-8.0", "cuda:8.+1", "tpu"}) {
    EXPECT_FALSE(ParsePlatform(name).ok()) << name;
  }
}

}  // namespace
}  // namespace attest::drafter
