// SPDX-License-Identifier: Apache-2.0
//
// The steps of a case as JSON: [{"how": "fewer requests", "q_lens": [4], "seq_lens": [77]}, ...].
// "request_causal", "padding_tokens", "block_table_extra", "max_seq_len_slack" and
// "max_query_len_slack" stand there where they are not 0.
#ifndef ATTEST_SPEC_CASES_STEPS_JSON_H_
#define ATTEST_SPEC_CASES_STEPS_JSON_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "spec/cases/case.h"

namespace attest {

nlohmann::ordered_json StepsToJson(const std::vector<Step>& steps);
Result<std::vector<Step>> StepsFromJson(const nlohmann::ordered_json& json,
                                        const std::string& path);

// Every key of a step, for the schema lint.
const std::vector<std::string>& StepKeys();

}  // namespace attest

#endif  // ATTEST_SPEC_CASES_STEPS_JSON_H_
