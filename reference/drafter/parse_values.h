// SPDX-License-Identifier: Apache-2.0
//
// Optional fields of a JsonObject: what is absent keeps its default, a wrong type is an error.
#ifndef ATTEST_REFERENCE_DRAFTER_PARSE_VALUES_H_
#define ATTEST_REFERENCE_DRAFTER_PARSE_VALUES_H_

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "reference/drafter/loose_value.h"
#include "spec/vocabulary/json_object.h"

namespace attest::drafter {

// nlohmann's value as a LooseValue. A whole number outside of 64 bits is a kNumber.
LooseValue LooseFromJson(const nlohmann::ordered_json& json);

class Values {
 public:
  using Json = nlohmann::ordered_json;
  // Larger than any real size, and small enough that sums and products of two stay in 64 bits.
  static constexpr std::int64_t kLargest = 1LL << 31;

  explicit Values(JsonObject& object) : object_(object) {}

  void Bool(std::string_view key, bool& field) {
    if (const Json* value = Given(key)) {
      if (!value->is_boolean()) return object_.Fail(key, "neither true nor false");
      field = value->get<bool>();
    }
  }
  void Bool(std::string_view key, std::optional<bool>& field) {
    bool value = false;
    if (!Null(key) && object_.Has(key)) {
      Bool(key, value);
      field = value;
    }
  }
  void Text(std::string_view key, std::string& field) {
    if (const Json* value = Given(key)) {
      if (!value->is_string()) return object_.Fail(key, "not a text");
      field = value->get<std::string>();
    }
  }
  void Text(std::string_view key, std::optional<std::string>& field) {
    std::string value;
    if (!Null(key) && object_.Has(key)) {
      Text(key, value);
      field = value;
    }
  }
  void OneOf(std::string_view key, std::initializer_list<std::string_view> names,
             std::string& field) {
    Text(key, field);
    if (std::find(names.begin(), names.end(), field) != names.end()) return;
    std::string all;
    for (const std::string_view name : names) all += (all.empty() ? "" : ", ") + std::string(name);
    object_.Fail(key, "not one of " + all);
  }
  void Integer(std::string_view key, std::int64_t least, std::int64_t& field) {
    const Json* value = Given(key);
    if (value == nullptr) return;
    if (!value->is_number_integer()) return object_.Fail(key, "not an integer");
    const bool large = value->is_number_unsigned() &&
                       value->get<std::uint64_t>() > static_cast<std::uint64_t>(kLargest);
    if (large || value->get<std::int64_t>() < least) {
      return object_.Fail(key, "not between " + std::to_string(least) + " and 2^31");
    }
    field = value->get<std::int64_t>();
  }
  void Positive(std::string_view key, std::int64_t& field) { Integer(key, 1, field); }
  void Positive(std::string_view key, std::optional<std::int64_t>& field) { Maybe(key, 1, field); }
  void Maybe(std::string_view key, std::int64_t least, std::optional<std::int64_t>& field) {
    if (Null(key) || !object_.Has(key)) return;
    std::int64_t value = 0;
    Integer(key, least, value);
    field = value;
  }
  void Int(std::string_view key, int& field) {
    std::int64_t value = field;
    Integer(key, 0, value);
    field = static_cast<int>(value);
  }
  void TextOrNull(std::string_view key, LooseValue& field) {
    const Json* value = object_.Optional(key);
    if (value == nullptr) return;
    field = LooseFromJson(*value);
    if (field.set() && field.kind != LooseKind::kText) {
      object_.Fail(key, "neither a text nor null");
    }
  }
  // An integer that fits, null, or absent.
  void IntegerOrNull(std::string_view key, LooseValue& field) {
    const Json* value = object_.Optional(key);
    if (value == nullptr) return;
    field = LooseFromJson(*value);
    const bool fits = field.kind == LooseKind::kInteger && field.integer <= kLargest &&
                      field.integer >= -kLargest;
    if (field.set() && !fits) object_.Fail(key, "neither an integer below 2^31 nor null");
  }
  // Whatever it is.
  void Any(std::string_view key, LooseValue& field) {
    if (const Json* value = object_.Optional(key)) field = LooseFromJson(*value);
  }

 private:
  bool Null(std::string_view key) {
    const Json* value = object_.Optional(key);
    return value != nullptr && value->is_null();
  }
  const Json* Given(std::string_view key) { return object_.Optional(key); }

  JsonObject& object_;
};

}  // namespace attest::drafter

#endif  // ATTEST_REFERENCE_DRAFTER_PARSE_VALUES_H_
