// SPDX-License-Identifier: Apache-2.0
#include "conformance/report/claims_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conformance/run/protocol_claims.h"
#include "spec/vocabulary/json_object.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

// False: no such parameter.
bool SetOverride(attest_arithmetic_t& abi, std::string_view name, double value) {
  if (name == "tile_min") {
    abi.tile_min = static_cast<int>(value);
    return true;
  }
  for (const ArithmeticParameter& candidate : ArithmeticParameters()) {
    if (candidate.name != name) continue;
    abi.*candidate.abi = value;
    return true;
  }
  return false;
}

std::optional<attest_arithmetic_class_t> ClassOf(std::string_view name) {
  if (name == "default") return ATTEST_ARITHMETIC_DEFAULT;
  if (name == "strict") return ATTEST_ARITHMETIC_STRICT;
  if (name == "lenient") return ATTEST_ARITHMETIC_LENIENT;
  return std::nullopt;
}

attest_arithmetic_t ToAbi(const Arithmetic& arithmetic) {
  attest_arithmetic_t abi{};
  abi.struct_size = sizeof(abi);
  abi.arithmetic_class = ClassOf(arithmetic.name).value_or(ATTEST_ARITHMETIC_DEFAULT);
  for (const auto& [name, value] : arithmetic.overrides) SetOverride(abi, name, value);
  return abi;
}

std::vector<attest_dtype_t> ToAbi(const std::vector<DType>& dtypes) {
  std::vector<attest_dtype_t> abi;
  for (const DType dtype : dtypes) abi.push_back(attest::ToAbi(dtype));
  return abi;
}

std::vector<attest_range_t> ToAbi(const std::vector<IntRange>& ranges) {
  std::vector<attest_range_t> abi;
  for (const IntRange& range : ranges) abi.push_back({range.first, range.last, range.step});
  return abi;
}

std::vector<attest_exclusion_t> ToAbi(const std::vector<Exclusion>& exclusions) {
  std::vector<attest_exclusion_t> abi;
  for (const Exclusion& exclusion : exclusions) {
    attest_exclusion_t entry{};
    entry.features = exclusion.features;
    // A zeroed dtype is how the ABI says "any".
    if (exclusion.query_dtype != DType::kNone) {
      entry.query_dtype = attest::ToAbi(exclusion.query_dtype);
    }
    if (exclusion.cache_dtype != DType::kNone) {
      entry.cache_dtype = attest::ToAbi(exclusion.cache_dtype);
    }
    entry.head_dim_qk = exclusion.head_dim_qk;
    entry.reason = exclusion.reason.c_str();
    abi.push_back(entry);
  }
  return abi;
}

}  // namespace

Result<Json> ClaimsToJson(const Claims& claims) {
  const auto query = ToAbi(claims.query_dtypes);
  const auto cache = ToAbi(claims.cache_dtypes);
  const auto output = ToAbi(claims.output_dtypes);
  const auto head_dims = ToAbi(claims.head_dims);
  const auto group_sizes = ToAbi(claims.group_sizes);
  const auto block_sizes = ToAbi(claims.block_sizes);
  const auto exclusions = ToAbi(claims.exclusions);
  attest_claims_t abi{};
  abi.struct_size = sizeof(abi);
  abi.graph_level = claims.graph_level;
  abi.features = claims.features;
  abi.name = claims.name.c_str();
  abi.version = claims.version.c_str();
  abi.vendor = claims.vendor.c_str();
  abi.device_name = claims.device_name.c_str();
  abi.query_dtypes = query.data();
  abi.cache_dtypes = cache.data();
  abi.output_dtypes = output.data();
  abi.head_dims = head_dims.data();
  abi.group_sizes = group_sizes.data();
  abi.block_sizes = block_sizes.data();
  abi.exclusions = exclusions.data();
  abi.num_query_dtypes = static_cast<int>(query.size());
  abi.num_cache_dtypes = static_cast<int>(cache.size());
  abi.num_output_dtypes = static_cast<int>(output.size());
  abi.num_head_dims = static_cast<int>(head_dims.size());
  abi.num_group_sizes = static_cast<int>(group_sizes.size());
  abi.num_block_sizes = static_cast<int>(block_sizes.size());
  abi.num_exclusions = static_cast<int>(exclusions.size());
  abi.arithmetic = ToAbi(claims.arithmetic);
  Result<Json> json = attest::ClaimsToJson(abi);
  if (!json.ok()) return InternalError(json.status().message());
  return json;
}

Json ToJson(const Arithmetic& arithmetic) {
  Json overrides = Json::object();
  for (const auto& [name, value] : arithmetic.overrides) overrides[name] = value;
  return {{"class", arithmetic.name}, {"overrides", overrides}};
}

Result<Arithmetic> ArithmeticFromJson(const Json& json, const std::string& path) {
  JsonObject object(json, path);
  const std::string name = object.String("class");
  const Json* overrides = object.Required("overrides");
  attest_arithmetic_t abi{};
  abi.struct_size = sizeof(abi);
  if (!ClassOf(name)) object.Fail("class", fmt::format("unknown class '{}'", name));
  if (overrides != nullptr) {
    for (const auto& [parameter, value] : overrides->items()) {
      if (!value.is_number() || !SetOverride(abi, parameter, value.get<double>())) {
        object.Fail("overrides", fmt::format("'{}' is no parameter with a number", parameter));
      }
    }
  }
  if (Status status = object.Done(); !status.ok()) return status;
  abi.arithmetic_class = *ClassOf(name);
  const std::optional<Arithmetic> arithmetic = FromAbi(abi);
  if (!arithmetic) return BadInput(path + ".overrides: out of range");
  return *arithmetic;
}

}  // namespace attest
