// SPDX-License-Identifier: Apache-2.0
//
// A case as a file of its own: what `attest replay FILE.json` reads.
//   {"kind": "forward", "recipe": "generic", "poison": "loud", "problem": {...}}
// `problem` and `recipe` must be there. A refusal has "feature", an invalid case "abi",
// a merge "parts", a case that walks "steps" (steps_json.h).
#ifndef ATTEST_SPEC_CASES_CASE_JSON_H_
#define ATTEST_SPEC_CASES_CASE_JSON_H_

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "spec/cases/case.h"

namespace attest {

// The case "file:NAME", NAME being `filename` without its folders: the inputs follow from the id,
// so the file may move. Bad input: "filename:line:column: ...".
Result<Case> CaseFromJson(std::string_view text, std::string_view filename);

nlohmann::ordered_json CaseToJson(const Case& value);

// Every key that the reader knows, for the schema lint.
const std::vector<std::string>& ReplayKeys();

}  // namespace attest

#endif  // ATTEST_SPEC_CASES_CASE_JSON_H_
