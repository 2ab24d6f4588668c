// SPDX-License-Identifier: Apache-2.0
//
// The JSON form of a Problem: an object whose keys are the fields of Problem, enums as their words,
// prefix ranges as [request, first, last], and the requests as two lists, "q_lens" and "seq_lens".
// Only what differs from a default Problem is written, keys in declaration order, so that equal
// problems have equal text.
#ifndef ATTEST_SPEC_VOCABULARY_PROBLEM_JSON_H_
#define ATTEST_SPEC_VOCABULARY_PROBLEM_JSON_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "spec/vocabulary/problem.h"
#include "spec/vocabulary/status.h"

namespace attest {

nlohmann::ordered_json ToJson(const Problem& problem);

// Unknown keys, wrong types and unknown words are errors that name the key path
// ("problem.causality: ..."). The result has passed Validate.
Result<Problem> ProblemFromJson(const nlohmann::ordered_json& json, const std::string& path);

// Overwrites the fields of `problem` that `json` names, without Validate. For templates that are
// completed later. An object with both lists of lengths sets the number of requests; one list alone
// must have a length for each request there is.
Status PatchProblem(const nlohmann::ordered_json& json, const std::string& path, Problem& problem);

// Every key that the reader knows, in declaration order.
std::vector<std::string> ProblemKeys();

}  // namespace attest

#endif  // ATTEST_SPEC_VOCABULARY_PROBLEM_JSON_H_
