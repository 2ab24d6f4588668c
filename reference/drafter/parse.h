// SPDX-License-Identifier: Apache-2.0
//
// From JSON text to configs. Errors are one line: "file:line:column: key.path: what".
#ifndef ATTEST_REFERENCE_DRAFTER_PARSE_H_
#define ATTEST_REFERENCE_DRAFTER_PARSE_H_

#include <nlohmann/json.hpp>
#include <string_view>

#include "reference/drafter/draft_config.h"
#include "reference/drafter/target_config.h"
#include "spec/vocabulary/status.h"

namespace attest::drafter {

// A target: every key is known (spec/drafter/target.schema.json), an unknown one is an error.
Result<TargetConfig> ParseTarget(std::string_view filename, std::string_view text);
// A draft config.json. Unknown keys are read over. The keys whose wrong types the real system takes
// (dflash_config, causal, is_causal, ...) keep their value; any other wrong type is an error.
Result<DraftConfig> ParseDraft(std::string_view filename, std::string_view text);

// The same from a parsed value; messages begin with the key path.
Result<TargetConfig> TargetFromJson(const nlohmann::ordered_json& json);
Result<DraftConfig> DraftFromJson(const nlohmann::ordered_json& json);

// --set KEY=VALUE on the JSON of either: "speculative.num_speculative_tokens=8",
// "draft.dflash_config.causal=true". VALUE is JSON, or a text where it is no JSON.
Status ApplySet(std::string_view assignment, nlohmann::ordered_json& target,
                nlohmann::ordered_json& draft);

}  // namespace attest::drafter

#endif  // ATTEST_REFERENCE_DRAFTER_PARSE_H_
