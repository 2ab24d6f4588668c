// SPDX-License-Identifier: Apache-2.0
#include "spec/vocabulary/json_object.h"

#include <fmt/format.h>

namespace attest {

using Json = nlohmann::ordered_json;

namespace {

// An int64. JSON has larger integers, which would come out negative.
bool IsInteger(const Json& value) {
  return value.is_number_integer() &&
         (!value.is_number_unsigned() || value.get<std::uint64_t>() <= INT64_MAX);
}

}  // namespace

JsonObject::JsonObject(const Json& json, std::string path) : json_(json), path_(std::move(path)) {
  if (!json.is_object()) status_ = BadInput(fmt::format("{}: not an object", path_));
}

bool JsonObject::Has(std::string_view key) const {
  return json_.is_object() && json_.contains(std::string(key));
}

std::string JsonObject::PathOf(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

void JsonObject::Fail(std::string_view key, const std::string& message) {
  if (status_.ok()) status_ = BadInput(fmt::format("{}: {}", PathOf(key), message));
}

const Json* JsonObject::Optional(std::string_view key) {
  asked_.emplace(key);
  if (!Has(key)) return nullptr;
  return &json_.at(std::string(key));
}

const Json* JsonObject::Required(std::string_view key) {
  const Json* value = Optional(key);
  if (value == nullptr && status_.ok()) {
    status_ = BadInput(fmt::format("{}: \"{}\" is missing", path_, key));
  }
  return value;
}

std::string JsonObject::String(std::string_view key) {
  const Json* value = Required(key);
  if (value == nullptr) return {};
  if (value->is_string()) return value->get<std::string>();
  Fail(key, "not a text");
  return {};
}

std::int64_t JsonObject::Integer(std::string_view key) {
  const Json* value = Required(key);
  if (value == nullptr) return 0;
  if (IsInteger(*value)) return value->get<std::int64_t>();
  Fail(key, "not an integer");
  return 0;
}

double JsonObject::Number(std::string_view key) {
  const Json* value = Required(key);
  if (value == nullptr) return 0;
  if (value->is_number()) return value->get<double>();
  Fail(key, "not a number");
  return 0;
}

bool JsonObject::Bool(std::string_view key) {
  const Json* value = Required(key);
  if (value == nullptr) return false;
  if (value->is_boolean()) return value->get<bool>();
  Fail(key, "neither true nor false");
  return false;
}

std::vector<std::string> JsonObject::Strings(std::string_view key) {
  std::vector<std::string> texts;
  const Json* value = Required(key);
  if (value == nullptr) return texts;
  if (!value->is_array()) Fail(key, "not a list");
  for (const Json& element : *value) {
    if (element.is_string()) {
      texts.push_back(element.get<std::string>());
    } else {
      Fail(key, "not a list of texts");
    }
  }
  return texts;
}

std::vector<std::int64_t> JsonObject::Integers(std::string_view key) {
  std::vector<std::int64_t> numbers;
  const Json* value = Required(key);
  if (value == nullptr) return numbers;
  if (!value->is_array()) Fail(key, "not a list");
  for (const Json& element : *value) {
    if (IsInteger(element)) {
      numbers.push_back(element.get<std::int64_t>());
    } else {
      Fail(key, "not a list of integers");
    }
  }
  return numbers;
}

Status JsonObject::Done() {
  if (!status_.ok()) return status_;
  for (const auto& [key, value] : json_.items()) {
    if (asked_.find(key) == asked_.end()) return BadInput(PathOf(key) + ": unknown key");
  }
  return {};
}

}  // namespace attest
