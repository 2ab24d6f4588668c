// SPDX-License-Identifier: Apache-2.0
//
// libattest_planted.so: the selector names the error.
#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <string_view>

#include "conformance/testing/planted/attention.h"
#include "conformance/testing/planted/checks.h"
#include "conformance/testing/planted/errors.h"

namespace attest {
namespace {

constexpr std::array<attest_dtype_t, 3> kDTypes = {
    {{ATTEST_FLOAT, 32, 1}, {ATTEST_FLOAT, 16, 1}, {ATTEST_BFLOAT, 16, 1}}};
constexpr attest_range_t kHeadDims = {1, 576, 1};
constexpr attest_range_t kGroupSizes = {1, 128, 1};
constexpr attest_range_t kBlockSizes = {1, 512, 1};
constexpr std::uint64_t kFeatures =
    ATTEST_CLAIM_DECODER_CAUSAL | ATTEST_CLAIM_DECODER_NON_CAUSAL | ATTEST_CLAIM_ENCODER_ONLY |
    ATTEST_CLAIM_ENCODER_DECODER | ATTEST_CLAIM_WINDOW_CAUSAL | ATTEST_CLAIM_WINDOW_SYMMETRIC |
    ATTEST_CLAIM_WINDOW_ASYMMETRIC | ATTEST_CLAIM_SINKS | ATTEST_CLAIM_LSE |
    ATTEST_CLAIM_KV_STRIDES | ATTEST_CLAIM_TOKEN_STRIDES | ATTEST_CLAIM_DETERMINISTIC |
    ATTEST_CLAIM_BATCH_INVARIANT | ATTEST_CLAIM_UNEQUAL_HEAD_DIMS;

attest_status_t Report(attest_error_t* error, attest_status_t status, std::string_view text) {
  if (error != nullptr && status != ATTEST_OK) {
    std::snprintf(error->message, sizeof(error->message), "%.*s", static_cast<int>(text.size()),
                  text.data());
  }
  return status;
}

attest_status_t Report(attest_error_t* error, const Finding& finding) {
  return Report(error, finding.status, finding.text);
}

// An instance is its line of the table.
const PlantedError& ErrorOf(void* self) { return *static_cast<const PlantedError*>(self); }

attest_status_t FillClaims(void* self, attest_claims_t* claims, attest_error_t* error) {
  const std::uint32_t size = claims->struct_size;
  if (size < sizeof(*claims)) return Report(error, ATTEST_INVALID_ARGUMENT, "claims.struct_size");
  *claims = {};
  claims->struct_size = size;
  claims->arithmetic.struct_size = sizeof(claims->arithmetic);
  claims->name = ErrorOf(self).id.data();  // a literal, so it ends with a zero
  claims->version = "0.1";
  claims->vendor = "attest";
  claims->device_name = "one core";
  claims->features = kFeatures;
  claims->query_dtypes = claims->cache_dtypes = claims->output_dtypes = kDTypes.data();
  claims->num_query_dtypes = claims->num_cache_dtypes = claims->num_output_dtypes = kDTypes.size();
  claims->head_dims = &kHeadDims;
  claims->group_sizes = &kGroupSizes;
  claims->block_sizes = &kBlockSizes;
  claims->num_head_dims = claims->num_group_sizes = claims->num_block_sizes = 1;
  return ATTEST_OK;
}

attest_status_t Supports(void* /*self*/, const attest_problem_t* problem, attest_error_t* error) {
  try {
    return Report(error, CheckPlantedProblem(*problem));
  } catch (const std::exception& exception) {
    return Report(error, ATTEST_INTERNAL, exception.what());
  }
}

attest_status_t Forward(void* self, const attest_problem_t* problem,
                        const attest_forward_args_t* args, attest_error_t* error) {
  try {
    if (const Finding finding = CheckPlantedProblem(*problem); finding.status != ATTEST_OK) {
      return Report(error, finding);
    }
    if (const Finding finding = CheckPlantedArguments(*problem, *args);
        finding.status != ATTEST_OK) {
      return Report(error, finding);
    }
    PlantedAttention(*problem, *args, ErrorOf(self).error);
    return ATTEST_OK;
  } catch (const std::exception& exception) {
    return Report(error, ATTEST_INTERNAL, exception.what());
  }
}

attest_status_t Synchronize(void* /*self*/, attest_error_t* /*error*/) { return ATTEST_OK; }

void Close(void* /*self*/) {}

bool OptionsAreKnown(std::string_view options) {
  constexpr std::string_view kThreads = "threads=";
  if (options.empty()) return true;
  if (options.substr(0, kThreads.size()) != kThreads) return false;
  const std::string_view number = options.substr(kThreads.size());
  return !number.empty() && number.find_first_not_of("0123456789") == std::string_view::npos &&
         number.front() != '0';
}

}  // namespace
}  // namespace attest

attest_status_t attest_backend_open(uint32_t abi_version, const char* selector, const char* options,
                                    attest_backend_t* backend, attest_error_t* error) {
  if (abi_version != ATTEST_ABI_VERSION || backend->struct_size < sizeof(*backend)) {
    return attest::Report(error, ATTEST_ABI_MISMATCH, "abi_version: another ABI");
  }
  const attest::PlantedError* planted = attest::FindPlanted(selector == nullptr ? "" : selector);
  if (planted == nullptr)
    return attest::Report(error, ATTEST_INVALID_ARGUMENT, "selector: no such error");
  if (!attest::OptionsAreKnown(options == nullptr ? "" : options)) {
    return attest::Report(error, ATTEST_INVALID_ARGUMENT, "options: only threads=N");
  }
  *backend = {};
  backend->struct_size = sizeof(*backend);
  backend->abi_version = ATTEST_ABI_VERSION;
  backend->self = const_cast<attest::PlantedError*>(planted);
  backend->close = attest::Close;
  backend->claims = attest::FillClaims;
  backend->supports = attest::Supports;
  backend->forward = attest::Forward;
  backend->synchronize = attest::Synchronize;
  return ATTEST_OK;
}
