// SPDX-License-Identifier: Apache-2.0
//
// What each family claims and refuses, through the library's one door.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>

#include "spec/abi/attest.h"

namespace attest::gpu {
namespace {

attest_status_t OpenFamily(const std::string& selector, const std::string& options,
                           attest_backend_t& backend, std::string* message = nullptr) {
  void* const library = dlopen(ATTEST_HOST_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  EXPECT_NE(library, nullptr) << dlerror();
  const auto open = reinterpret_cast<attest_backend_open_t>(dlsym(library, "attest_backend_open"));
  backend = {};
  backend.struct_size = sizeof(backend);
  attest_error_t error = {};
  const attest_status_t status =
      open(ATTEST_ABI_VERSION, selector.c_str(), options.c_str(), &backend, &error);
  if (message != nullptr) *message = error.message;
  return status;
}

class Opened {
 public:
  explicit Opened(const std::string& selector) {
    std::string message;
    EXPECT_EQ(OpenFamily(selector, "threads=1", table_, &message), ATTEST_OK) << message;
  }
  ~Opened() { table_.close(table_.self); }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;

  attest_claims_t Claims() const {
    attest_claims_t claims = {};
    claims.struct_size = sizeof(claims);
    EXPECT_EQ(table_.claims(table_.self, &claims, nullptr), ATTEST_OK);
    return claims;
  }
  attest_status_t Supports(const attest_problem_t& problem, std::string& message) const {
    attest_error_t error = {};
    const attest_status_t status = table_.supports(table_.self, &problem, &error);
    message = error.message;
    return status;
  }

 private:
  attest_backend_t table_;
};

attest_problem_t CausalDecoder() {
  attest_problem_t problem = {};
  problem.struct_size = sizeof(problem);
  problem.query_dtype = problem.cache_dtype = problem.output_dtype = {ATTEST_BFLOAT, 16, 1};
  problem.num_q_heads = 6;
  problem.num_kv_heads = 2;
  problem.head_dim_qk = problem.head_dim_v = 64;
  problem.scale = 0.125F;
  problem.block_size = 16;
  problem.num_requests = 1;
  problem.num_actual_tokens = 1;
  problem.max_query_len = 1;
  problem.max_seq_len = 40;
  problem.num_blocks = 9;
  problem.block_table_width = 3;
  return problem;
}

constexpr std::uint64_t kCausal = ATTEST_CLAIM_DECODER_CAUSAL | ATTEST_CLAIM_WINDOW_CAUSAL |
                                  ATTEST_CLAIM_ALIBI | ATTEST_CLAIM_LSE | ATTEST_CLAIM_KV_STRIDES |
                                  ATTEST_CLAIM_TOKEN_STRIDES | ATTEST_CLAIM_DETERMINISTIC |
                                  ATTEST_CLAIM_UNEQUAL_HEAD_DIMS | ATTEST_CLAIM_WRITE_KV;
constexpr std::uint64_t kNonCausal =
    ATTEST_CLAIM_DECODER_NON_CAUSAL | ATTEST_CLAIM_WINDOW_SYMMETRIC;
constexpr std::uint64_t kScales = ATTEST_CLAIM_KV_SCALE_PER_TENSOR | ATTEST_CLAIM_KV_SCALE_PER_HEAD;
constexpr std::uint64_t kFlash =
    kCausal | kNonCausal | kScales | ATTEST_CLAIM_ENCODER_ONLY | ATTEST_CLAIM_ENCODER_DECODER |
    ATTEST_CLAIM_WINDOW_ASYMMETRIC | ATTEST_CLAIM_SOFTCAP | ATTEST_CLAIM_SINKS |
    ATTEST_CLAIM_KV_X_SPLIT | ATTEST_CLAIM_SHARED_LATENT | ATTEST_CLAIM_PAGE_ALIASING |
    ATTEST_CLAIM_BATCH_INVARIANT | ATTEST_CLAIM_KV_SCALE_PER_TOKEN_HEAD | ATTEST_CLAIM_MERGE;

// Whoever adds a claim changes this table too, and the suite then expects the feature.
TEST(Families, ClaimWhatStandsHere) {
  const std::map<std::string, std::uint64_t> kClaims = {
      {"naive", kFlash | ATTEST_CLAIM_CHUNK_INVARIANT | ATTEST_CLAIM_COPY_TO_PERSISTENT},
      {"flash", kFlash},
      {"flex", kCausal | kNonCausal | ATTEST_CLAIM_ENCODER_ONLY | ATTEST_CLAIM_WINDOW_ASYMMETRIC |
                   ATTEST_CLAIM_SOFTCAP | ATTEST_CLAIM_PREFIX_RANGES | ATTEST_CLAIM_PREFIX_CLAMPED |
                   ATTEST_CLAIM_BATCH_INVARIANT | ATTEST_CLAIM_COPY_TO_PERSISTENT},
      {"prefix", kCausal | kNonCausal | ATTEST_CLAIM_SINKS | ATTEST_CLAIM_KV_X_SPLIT},
      {"unified", kCausal | kScales | ATTEST_CLAIM_SOFTCAP | ATTEST_CLAIM_SINKS |
                      ATTEST_CLAIM_PAGE_ALIASING | ATTEST_CLAIM_BATCH_INVARIANT},
      {"aiter_unified", kCausal | ATTEST_CLAIM_SINKS | ATTEST_CLAIM_KV_X_SPLIT},
  };
  for (const auto& [family, features] : kClaims) {
    const attest_claims_t claims = Opened(family).Claims();
    EXPECT_EQ(claims.features, features) << family;
    EXPECT_EQ(claims.name, family);
    EXPECT_EQ(claims.graph_level, ATTEST_GRAPH_ALWAYS) << family;
    EXPECT_EQ(claims.num_cache_dtypes,
              family == "naive" || family == "flash" || family == "unified" ? 7 : 3)
        << family;
    EXPECT_EQ(claims.num_exclusions, family == "prefix" || family == "aiter_unified" ? 6 : 0)
        << family;
  }
}

TEST(Families, TheCausalOnesRefuseNonCausalWithTheirReason) {
  attest_problem_t problem = CausalDecoder();
  problem.causality = ATTEST_NON_CAUSAL;
  std::string message;
  EXPECT_EQ(Opened("unified").Supports(problem, message), ATTEST_REFUSED);
  EXPECT_EQ(message,
            "unified: decoder, non-causal: the kernel compares every key with the row's position");
  EXPECT_EQ(Opened("aiter_unified").Supports(problem, message), ATTEST_REFUSED);
  EXPECT_EQ(message,
            "aiter_unified: decoder, non-causal: the unified kernel behind it is causal only");
  for (const char* family : {"naive", "flash", "flex", "prefix"}) {
    EXPECT_EQ(Opened(family).Supports(problem, message), ATTEST_OK) << family << ": " << message;
  }
}

TEST(Families, RefuseBatchInvarianceAndAliasingWithTheirReasons) {
  attest_problem_t problem = CausalDecoder();
  std::string message;
  problem.flags = ATTEST_FLAG_BATCH_INVARIANT;
  for (const char* family : {"prefix", "aiter_unified"}) {
    EXPECT_EQ(Opened(family).Supports(problem, message), ATTEST_REFUSED);
    EXPECT_NE(message.find("batch-invariant mode: "), std::string::npos) << message;
  }
  problem.flags = ATTEST_FLAG_PAGE_ALIASING;
  EXPECT_EQ(Opened("flex").Supports(problem, message), ATTEST_REFUSED);
  EXPECT_NE(message.find("latest-wins"), std::string::npos) << message;
}

TEST(Families, NameWhatIsOutsideTheClaims) {
  attest_problem_t problem = CausalDecoder();
  problem.head_dim_qk = problem.head_dim_v = 257;
  std::string message;
  EXPECT_EQ(Opened("flash").Supports(problem, message), ATTEST_REFUSED);
  EXPECT_EQ(message, "head_dim_qk: 257, flash has 1 to 256");
  problem = CausalDecoder();
  problem.cache_dtype = {ATTEST_FLOAT, 32, 1};
  EXPECT_EQ(Opened("prefix").Supports(problem, message), ATTEST_REFUSED);
  EXPECT_EQ(message, "prefix: the cache has the type of the query");
  problem.window_left = -1;
  EXPECT_EQ(Opened("prefix").Supports(problem, message), ATTEST_INVALID_ARGUMENT);
  EXPECT_NE(message.find("window_left: -1"), std::string::npos) << message;
}

TEST(Families, ADeviceBelowTheirNeedIsNoDevice) {
  attest_backend_t backend;
  std::string message;
  EXPECT_EQ(OpenFamily("flash,shared_kib=16", "", backend, &message), ATTEST_NO_DEVICE);
  EXPECT_EQ(
      message,
      "refused: device: flash needs 53248 bytes of shared memory in a block, fibers of the host "
      "processor has 16384");
  EXPECT_EQ(OpenFamily("flash", "device=1", backend, &message), ATTEST_NO_DEVICE);
  EXPECT_EQ(message, "refused: device: no device 1 of 1");
}

TEST(Families, WhatIsNotUnderstoodIsNamed) {
  attest_backend_t backend;
  std::string message;
  EXPECT_EQ(OpenFamily("", "", backend, &message), ATTEST_INVALID_ARGUMENT);
  EXPECT_EQ(message,
            "selector: none, the families are naive, flash, flex, unified, aiter_unified, prefix");
  EXPECT_EQ(OpenFamily("flash,order=sideways", "", backend, &message), ATTEST_INVALID_ARGUMENT);
  EXPECT_NE(message.find("options: order=sideways"), std::string::npos) << message;
  EXPECT_EQ(OpenFamily("flash", "threads=0", backend, &message), ATTEST_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace attest::gpu
