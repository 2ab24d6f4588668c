// SPDX-License-Identifier: Apache-2.0
//
// Strict reading of one JSON object: every key is asked for, and what is left over is an error.
#ifndef ATTEST_SPEC_VOCABULARY_JSON_OBJECT_H_
#define ATTEST_SPEC_VOCABULARY_JSON_OBJECT_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "spec/vocabulary/status.h"

namespace attest {

// Remembers the first error, so that a reader asks for all its fields and checks once, with Done.
// After an error the values are empty. Messages begin with the key path. `json` must outlive it.
class JsonObject {
 public:
  JsonObject(const nlohmann::ordered_json& json, std::string path);

  // Required: absence is an error.
  std::string String(std::string_view key);
  std::int64_t Integer(std::string_view key);
  double Number(std::string_view key);
  bool Bool(std::string_view key);
  std::vector<std::string> Strings(std::string_view key);
  std::vector<std::int64_t> Integers(std::string_view key);

  // The value of a key that must (Required) or may (Optional: nullptr) be there, unread.
  const nlohmann::ordered_json* Required(std::string_view key);
  const nlohmann::ordered_json* Optional(std::string_view key);

  bool Has(std::string_view key) const;
  std::string PathOf(std::string_view key) const;
  // Adds an error of the caller's about `key`.
  void Fail(std::string_view key, const std::string& message);

  // The first error, or a key that nobody asked for, or OK.
  Status Done();

 private:
  const nlohmann::ordered_json& json_;
  std::string path_;
  std::set<std::string, std::less<>> asked_;
  Status status_;
};

}  // namespace attest

#endif  // ATTEST_SPEC_VOCABULARY_JSON_OBJECT_H_
