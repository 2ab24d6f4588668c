// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/protocol_claims.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spec/vocabulary/json_object.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::string_view, 4> kGraphLevels = {"none", "uniform-single-token",
                                                          "uniform-batch", "always"};
constexpr std::array<std::string_view, 3> kArithmeticClasses = {"default", "strict", "lenient"};

struct ArithmeticField {
  std::string_view name;
  double attest_arithmetic_t::*member;
};
constexpr std::array kArithmeticFields = {
    ArithmeticField{"accumulate_qk", &attest_arithmetic_t::accumulate_qk},
    ArithmeticField{"accumulate_pv", &attest_arithmetic_t::accumulate_pv},
    ArithmeticField{"accumulate_l", &attest_arithmetic_t::accumulate_l},
    ArithmeticField{"round_p", &attest_arithmetic_t::round_p},
    ArithmeticField{"round_output", &attest_arithmetic_t::round_output},
    ArithmeticField{"exp_error", &attest_arithmetic_t::exp_error},
    ArithmeticField{"tanh_error", &attest_arithmetic_t::tanh_error},
    ArithmeticField{"round_q", &attest_arithmetic_t::round_q},
    ArithmeticField{"round_k", &attest_arithmetic_t::round_k},
    ArithmeticField{"round_v", &attest_arithmetic_t::round_v},
    ArithmeticField{"round_score", &attest_arithmetic_t::round_score},
    ArithmeticField{"round_partial", &attest_arithmetic_t::round_partial},
};

// ---- To JSON

Json FeaturesToJson(std::uint64_t features) {
  Json words = Json::array();
  for (const FeatureName& feature : FeatureNames()) {
    if ((features & feature.bit) != 0) words.push_back(std::string(feature.name));
  }
  return words;
}

Json DTypesToJson(const std::vector<DType>& dtypes) {
  Json words = Json::array();
  for (const DType dtype : dtypes) words.push_back(std::string(Name(dtype)));
  return words;
}

Json RangesToJson(const std::vector<IntRange>& ranges) {
  Json list = Json::array();
  for (const IntRange& range : ranges) list.push_back({range.first, range.last, range.step});
  return list;
}

Json ArithmeticToJson(const attest_arithmetic_t& arithmetic) {
  Json json = {{"class", std::string(kArithmeticClasses.at(
                             static_cast<std::size_t>(arithmetic.arithmetic_class)))}};
  for (const ArithmeticField& field : kArithmeticFields) {
    json[std::string(field.name)] = arithmetic.*field.member;
  }
  json["tile_min"] = arithmetic.tile_min;
  return json;
}

// ---- From JSON

// The arrays that an attest_claims_t points to.
struct Storage {
  std::string name;
  std::string version;
  std::string vendor;
  std::string device_name;
  std::vector<attest_dtype_t> query_dtypes;
  std::vector<attest_dtype_t> cache_dtypes;
  std::vector<attest_dtype_t> output_dtypes;
  std::vector<attest_range_t> head_dims;
  std::vector<attest_range_t> group_sizes;
  std::vector<attest_range_t> block_sizes;
  std::vector<std::string> reasons;
  std::vector<attest_exclusion_t> exclusions;
};

std::int32_t ReadInt(JsonObject& object, const char* key) {
  const std::int64_t number = object.Integer(key);
  if (!std::in_range<std::int32_t>(number)) object.Fail(key, "does not fit");
  return static_cast<std::int32_t>(number);
}

template <std::size_t kCount>
std::int32_t ReadWord(JsonObject& object, const char* key,
                      const std::array<std::string_view, kCount>& words) {
  const std::string word = object.String(key);
  for (std::size_t i = 0; i < kCount; ++i) {
    if (words.at(i) == word) return static_cast<std::int32_t>(i);
  }
  object.Fail(key, fmt::format("unknown word '{}'", word));
  return 0;
}

std::uint64_t ReadFeatures(JsonObject& object, const char* key) {
  std::uint64_t features = 0;
  for (const std::string& word : object.Strings(key)) {
    std::uint64_t bit = 0;
    for (const FeatureName& feature : FeatureNames()) bit |= feature.name == word ? feature.bit : 0;
    if (bit == 0) object.Fail(key, fmt::format("unknown feature '{}'", word));
    features |= bit;
  }
  return features;
}

attest_dtype_t ToDType(JsonObject& object, const char* key, const std::string& word) {
  const std::optional<DType> dtype = ParseDType(word);
  if (!dtype) object.Fail(key, fmt::format("unknown dtype '{}'", word));
  return dtype ? ToAbi(*dtype) : attest_dtype_t{};
}

// In an exclusion "none" is no restriction.
attest_dtype_t ReadDTypeOrNone(JsonObject& object, const char* key) {
  const std::string word = object.String(key);
  return word == Name(DType::kNone) ? attest_dtype_t{} : ToDType(object, key, word);
}

std::vector<attest_dtype_t> ReadDTypes(JsonObject& object, const char* key) {
  std::vector<attest_dtype_t> dtypes;
  for (const std::string& word : object.Strings(key)) {
    dtypes.push_back(ToDType(object, key, word));
  }
  return dtypes;
}

std::vector<attest_range_t> ReadRanges(JsonObject& object, const char* key) {
  std::vector<attest_range_t> ranges;
  const Json* list = object.Required(key);
  if (list == nullptr) return ranges;
  if (!list->is_array()) object.Fail(key, "not a list");
  for (const Json& entry : *list) {
    const auto fits = [](const Json& number) {
      return number.is_number_unsigned() && number.get<std::uint64_t>() <= INT32_MAX;
    };
    if (!entry.is_array() || entry.size() != 3 || !std::all_of(entry.begin(), entry.end(), fits)) {
      object.Fail(key, "not a list of [first, last, step]");
      return ranges;
    }
    ranges.push_back({.first = entry[0], .last = entry[1], .step = entry[2]});
  }
  return ranges;
}

Status ReadExclusions(JsonObject& claims, Storage& storage) {
  const Json* list = claims.Required("exclusions");
  if (list == nullptr || !list->is_array()) return BadInput("claims.exclusions: not a list");
  for (const Json& entry : *list) {
    JsonObject object(entry, fmt::format("claims.exclusions[{}]", storage.exclusions.size()));
    storage.exclusions.push_back({.features = ReadFeatures(object, "features"),
                                  .query_dtype = ReadDTypeOrNone(object, "query_dtype"),
                                  .cache_dtype = ReadDTypeOrNone(object, "cache_dtype"),
                                  .head_dim_qk = ReadInt(object, "head_dim_qk"),
                                  .reserved0 = 0,
                                  .reason = nullptr});
    storage.reasons.push_back(object.String("reason"));
    if (Status status = object.Done(); !status.ok()) return status;
  }
  for (std::size_t i = 0; i < storage.reasons.size(); ++i) {
    storage.exclusions[i].reason = storage.reasons[i].c_str();
  }
  return {};
}

Status ReadArithmetic(JsonObject& claims, attest_arithmetic_t& arithmetic) {
  const Json* json = claims.Required("arithmetic");
  if (json == nullptr) return BadInput("claims.arithmetic: missing");
  JsonObject object(*json, "claims.arithmetic");
  arithmetic.arithmetic_class = ReadWord(object, "class", kArithmeticClasses);
  arithmetic.tile_min = ReadInt(object, "tile_min");
  for (const ArithmeticField& field : kArithmeticFields) {
    arithmetic.*field.member = object.Number(field.name);
  }
  return object.Done();
}

template <typename T>
std::int32_t Point(const std::vector<T>& from, const T*& to) {
  to = from.data();
  return static_cast<std::int32_t>(from.size());
}

void PointInto(const Storage& storage, attest_claims_t& claims) {
  claims.name = storage.name.c_str();
  claims.version = storage.version.c_str();
  claims.vendor = storage.vendor.c_str();
  claims.device_name = storage.device_name.c_str();
  claims.num_query_dtypes = Point(storage.query_dtypes, claims.query_dtypes);
  claims.num_cache_dtypes = Point(storage.cache_dtypes, claims.cache_dtypes);
  claims.num_output_dtypes = Point(storage.output_dtypes, claims.output_dtypes);
  claims.num_head_dims = Point(storage.head_dims, claims.head_dims);
  claims.num_group_sizes = Point(storage.group_sizes, claims.group_sizes);
  claims.num_block_sizes = Point(storage.block_sizes, claims.block_sizes);
  claims.num_exclusions = Point(storage.exclusions, claims.exclusions);
}

}  // namespace

Result<nlohmann::ordered_json> ClaimsToJson(const attest_claims_t& abi) {
  const Result<Claims> claims = FromAbi(abi);
  if (!claims.ok()) return claims.status();
  Json exclusions = Json::array();
  for (const Exclusion& exclusion : claims->exclusions) {
    exclusions.push_back({{"features", FeaturesToJson(exclusion.features)},
                          {"query_dtype", std::string(Name(exclusion.query_dtype))},
                          {"cache_dtype", std::string(Name(exclusion.cache_dtype))},
                          {"head_dim_qk", exclusion.head_dim_qk},
                          {"reason", exclusion.reason}});
  }
  return Json{
      {"name", claims->name},
      {"version", claims->version},
      {"vendor", claims->vendor},
      {"device_name", claims->device_name},
      {"features", FeaturesToJson(claims->features)},
      {"graph_level", std::string(kGraphLevels.at(static_cast<std::size_t>(claims->graph_level)))},
      {"query_dtypes", DTypesToJson(claims->query_dtypes)},
      {"cache_dtypes", DTypesToJson(claims->cache_dtypes)},
      {"output_dtypes", DTypesToJson(claims->output_dtypes)},
      {"head_dims", RangesToJson(claims->head_dims)},
      {"group_sizes", RangesToJson(claims->group_sizes)},
      {"block_sizes", RangesToJson(claims->block_sizes)},
      {"exclusions", std::move(exclusions)},
      {"arithmetic", ArithmeticToJson(abi.arithmetic)}};
}

Result<Claims> ClaimsFromJson(const nlohmann::ordered_json& json) {
  JsonObject object(json, "claims");
  attest_claims_t claims = {};
  claims.features = ReadFeatures(object, "features");
  claims.graph_level = ReadWord(object, "graph_level", kGraphLevels);
  Storage storage = {.name = object.String("name"),
                     .version = object.String("version"),
                     .vendor = object.String("vendor"),
                     .device_name = object.String("device_name"),
                     .query_dtypes = ReadDTypes(object, "query_dtypes"),
                     .cache_dtypes = ReadDTypes(object, "cache_dtypes"),
                     .output_dtypes = ReadDTypes(object, "output_dtypes"),
                     .head_dims = ReadRanges(object, "head_dims"),
                     .group_sizes = ReadRanges(object, "group_sizes"),
                     .block_sizes = ReadRanges(object, "block_sizes"),
                     .reasons = {},
                     .exclusions = {}};
  const Status exclusions = ReadExclusions(object, storage);
  const Status arithmetic = ReadArithmetic(object, claims.arithmetic);
  for (const Status& status : {object.Done(), exclusions, arithmetic}) {
    if (!status.ok()) return status;
  }
  PointInto(storage, claims);
  return FromAbi(claims);
}

}  // namespace attest
