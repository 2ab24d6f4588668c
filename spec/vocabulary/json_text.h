// SPDX-License-Identifier: Apache-2.0
//
// JSON text with places: what is wrong with a file is said as "file:line:column: ...".
#ifndef ATTEST_SPEC_VOCABULARY_JSON_TEXT_H_
#define ATTEST_SPEC_VOCABULARY_JSON_TEXT_H_

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "spec/vocabulary/status.h"

namespace attest {

// Bad input, with the place: no JSON, a key twice in one object, or more than 64 levels.
Result<nlohmann::ordered_json> ParseJson(std::string_view filename, std::string_view text);

// "file:line:column" of the value that `path` names ("cases[2].problem.scale"; "" is the whole).
// Where the path leads nowhere, of the last part of it that exists. `text` must parse.
std::string LocateJson(std::string_view filename, std::string_view text, std::string_view path);

// For readers of parsed JSON, whose messages begin with a key path ("cases[2].problem.scale: ..."):
// the same status with the place in front. OK stays OK.
Status WithPlace(std::string_view filename, std::string_view text, const Status& status);

// As text: indented by two, or one line. Bytes that are no UTF-8 (a backend may answer anything)
// become U+FFFD, where nlohmann's own dump throws.
std::string IndentedText(const nlohmann::ordered_json& json);
std::string LineText(const nlohmann::ordered_json& json);

}  // namespace attest

#endif  // ATTEST_SPEC_VOCABULARY_JSON_TEXT_H_
