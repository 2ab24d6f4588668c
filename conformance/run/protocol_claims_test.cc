// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/protocol_claims.h"

#include <gtest/gtest.h>

#include <array>
#include <nlohmann/json.hpp>
#include <string>

#include "conformance/run/protocol.h"
#include "spec/vocabulary/json_text.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

// Claims with another value in every member, and the arrays they point to.
struct Sample {
  std::array<attest_dtype_t, 3> dtypes = {
      {{ATTEST_FLOAT, 32, 1}, {ATTEST_BFLOAT, 16, 1}, {ATTEST_FLOAT8_E5M2, 8, 1}}};
  std::array<attest_range_t, 3> ranges = {{{1, 2, 1}, {64, 256, 64}, {7, 7, 3}}};
  std::array<attest_exclusion_t, 2> exclusions = {
      {{ATTEST_CLAIM_SINKS | ATTEST_CLAIM_LSE, {ATTEST_FLOAT, 16, 1}, {}, 40, 0, "first"},
       {ATTEST_CLAIM_SOFTCAP, {}, {ATTEST_BFLOAT, 16, 1}, 0, 0, "second"}}};
  attest_claims_t claims = {};

  Sample() {
    claims.struct_size = sizeof(claims);
    claims.graph_level = ATTEST_GRAPH_UNIFORM_BATCH;
    claims.features = ATTEST_CLAIM_DECODER_CAUSAL | ATTEST_CLAIM_KV_SCALE_PER_TOKEN_HEAD;
    claims.name = "a name";
    claims.version = "1.2";
    claims.vendor = "somebody";
    claims.device_name = "something";
    claims.query_dtypes = &dtypes[0];
    claims.cache_dtypes = &dtypes[1];
    claims.output_dtypes = &dtypes[2];
    claims.num_query_dtypes = 3;
    claims.num_cache_dtypes = 2;
    claims.num_output_dtypes = 1;
    claims.head_dims = &ranges[0];
    claims.group_sizes = &ranges[1];
    claims.block_sizes = &ranges[2];
    claims.num_head_dims = 3;
    claims.num_group_sizes = 2;
    claims.num_block_sizes = 1;
    claims.exclusions = exclusions.data();
    claims.num_exclusions = 2;
    double next = 0.1;
    for (double* parameter : {&claims.arithmetic.accumulate_qk, &claims.arithmetic.accumulate_pv,
                              &claims.arithmetic.accumulate_l, &claims.arithmetic.round_p,
                              &claims.arithmetic.round_output, &claims.arithmetic.exp_error,
                              &claims.arithmetic.tanh_error, &claims.arithmetic.round_q,
                              &claims.arithmetic.round_k, &claims.arithmetic.round_v,
                              &claims.arithmetic.round_score, &claims.arithmetic.round_partial}) {
      *parameter = next;
      next += 0.1;
    }
    claims.arithmetic.arithmetic_class = ATTEST_ARITHMETIC_LENIENT;
    claims.arithmetic.tile_min = 48;
  }
  Sample(const Sample&) = delete;
  Sample& operator=(const Sample&) = delete;
};

Json Sent(const attest_claims_t& claims) {
  const Result<Json> json = ClaimsToJson(claims);
  EXPECT_TRUE(json.ok()) << json.status().message();
  return json.ok() ? Json::parse(LineText(*json)) : Json();
}

TEST(ProtocolClaims, EveryMemberArrivesUnchanged) {
  const Sample sample;
  const Result<Claims> direct = FromAbi(sample.claims);
  const Result<Claims> arrived = ClaimsFromJson(Sent(sample.claims));
  ASSERT_TRUE(direct.ok() && arrived.ok()) << arrived.status().message();
  EXPECT_EQ(*arrived, *direct);
}

TEST(ProtocolClaims, EachFeatureArrivesAloneUnderItsName) {
  for (const FeatureName& feature : FeatureNames()) {
    Sample sample;
    sample.claims.features = feature.bit;
    const Json json = Sent(sample.claims);
    EXPECT_EQ(json["features"], Json::array({std::string(feature.name)}));
    EXPECT_EQ(ClaimsFromJson(json)->features, feature.bit);
  }
}

TEST(ProtocolClaims, OfABackendThatClaimsNothingArrive) {
  attest_claims_t claims = {};
  claims.name = "null";
  const Result<Claims> arrived = ClaimsFromJson(Sent(claims));
  ASSERT_TRUE(arrived.ok()) << arrived.status().message();
  EXPECT_EQ(*arrived, *FromAbi(claims));
}

TEST(ProtocolClaims, ThatContradictThemselvesAreNotSent) {
  Sample unknown_feature;
  unknown_feature.exclusions[1].features = UINT64_C(1) << 50;
  EXPECT_EQ(ClaimsToJson(unknown_feature.claims).status().message(),
            "claims.exclusions[1].features: unknown bits 0x4000000000000");
  Sample unknown_dtype;
  unknown_dtype.exclusions[0].cache_dtype = {77, 8, 1};
  EXPECT_EQ(ClaimsToJson(unknown_dtype.claims).status().message(),
            "claims.exclusions[0]: unknown dtype (code 77, bits 8)");
  Sample no_name;
  no_name.claims.name = nullptr;
  EXPECT_EQ(ClaimsToJson(no_name.claims).status().message(), "claims.name: missing");
}

TEST(ProtocolClaims, WhatIsWrongInThemIsNamed) {
  const auto changed = [](const char* member, const Json& value) {
    const Sample sample;
    Json json = Sent(sample.claims);
    json[member] = value;
    return ClaimsFromJson(Json::parse(json.dump())).status().message();
  };
  EXPECT_EQ(changed("features", Json::array({"flying"})),
            "claims.features: unknown feature 'flying'");
  EXPECT_EQ(changed("graph_level", "sometimes"), "claims.graph_level: unknown word 'sometimes'");
  EXPECT_EQ(changed("query_dtypes", Json::array({"none"})),
            "claims.query_dtypes: unknown dtype 'none'");
  EXPECT_EQ(changed("head_dims", Json::array({Json::array({1, 2})})),
            "claims.head_dims: not a list of [first, last, step]");
  EXPECT_EQ(changed("head_dims", Json::array({Json::array({9, 2, 1})})),
            "claims.head_dims[0]: 9..2 step 1 is no range");
  EXPECT_EQ(changed("head_dims", Json::array({Json::array({1, 18446744073709551615ULL, 1})})),
            "claims.head_dims: not a list of [first, last, step]");
  EXPECT_EQ(changed("exclusions", 3), "claims.exclusions: not a list");
  EXPECT_EQ(changed("colour", "red"), "claims.colour: unknown key");
  EXPECT_EQ(changed("arithmetic", Json::object()), "claims.arithmetic: \"class\" is missing");
}

}  // namespace
}  // namespace attest
