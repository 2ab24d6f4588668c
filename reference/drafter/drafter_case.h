// SPDX-License-Identifier: Apache-2.0
//
// Cases of the drafter's clauses: configurations and what must come of them
// (spec/drafter/cases.json). They are transcribed by hand from public behaviour, never printed by
// the model.
#ifndef ATTEST_REFERENCE_DRAFTER_DRAFTER_CASE_H_
#define ATTEST_REFERENCE_DRAFTER_DRAFTER_CASE_H_

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "reference/drafter/draft_config.h"
#include "reference/drafter/era.h"
#include "reference/drafter/platform.h"
#include "reference/drafter/target_config.h"
#include "spec/vocabulary/status.h"

namespace attest::drafter {

struct DrafterCase {
  std::string id;  // "drafter/causality/top-false"; permanent
  std::string sentence;
  std::vector<std::string> clauses;
  std::vector<Era> eras;  // every combination of the three lists is one question
  std::vector<Runner> runners;
  std::vector<Platform> platforms;
  bool strict = false;
  nlohmann::ordered_json target_json;  // as a child process would be asked
  nlohmann::ordered_json draft_json;
  TargetConfig target;
  DraftConfig draft;
  // JSON pointer into the answer of `attest drafter resolve --json`, and the value that must stand
  // there, or {"contains": text} or {"without": text} of its own text.
  std::vector<std::pair<std::string, nlohmann::ordered_json>> expect;
};

// Bad input: "path:line:column: key: what" of the first problem in the data.
Result<std::vector<DrafterCase>> LoadDrafterCases();

// What in `answer` is not as the case says; empty: all is. `answer` is ToJson of a resolution, or
// what another implementation answered in that form.
std::vector<std::string> Mismatches(const DrafterCase& value, const nlohmann::ordered_json& answer);

// A draft config of spec/drafter/configs.
struct NamedDraft {
  std::string name;                  // the file's, without .json
  std::string source;                // public
  std::vector<std::string> missing;  // keys that the source does not give
  DraftConfig config;
};
Result<std::vector<NamedDraft>> LoadNamedDrafts();

}  // namespace attest::drafter

#endif  // ATTEST_REFERENCE_DRAFTER_DRAFTER_CASE_H_
