// SPDX-License-Identifier: Apache-2.0
//
// Cases of the drafter's clauses: configurations (spec/drafter/cases.json), batches
// (spec/drafter/batches.json), and what must come of them. They are transcribed by hand from public
// behaviour, never printed by the model.
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

// JSON pointer into an answer, and the value that must stand there, or {"contains": text} or
// {"without": text} of its own text.
using Expectations = std::vector<std::pair<std::string, nlohmann::ordered_json>>;

// What in `answer` is not as `wanted` says; empty: all is.
std::vector<std::string> Mismatches(const Expectations& wanted,
                                    const nlohmann::ordered_json& answer);

// What both kinds of case say.
struct CaseHead {
  std::string id;  // "drafter/causality/top-false"; permanent
  std::string sentence;
  std::vector<std::string> clauses;
  std::vector<Era> eras;  // each era with each runner (and platform) is one question
  std::vector<Runner> runners;
  Expectations expect;  // of the answer of `attest drafter resolve --json` or `prepare --json`
};

struct DrafterCase : CaseHead {
  std::vector<Platform> platforms;
  bool strict = false;
  nlohmann::ordered_json target_json;  // as a child process would be asked
  nlohmann::ordered_json draft_json;
  TargetConfig target;
  DraftConfig draft;
};

// Bad input: "path:line:column: key: what" of the first problem in the data.
Result<std::vector<DrafterCase>> LoadDrafterCases();

// Bad batches are answered with {"error": the one line}.
struct BatchCase : CaseHead {
  nlohmann::ordered_json batch;    // as a child process would be asked
  std::vector<std::string> kills;  // known mistakes that answer otherwise
};

// Bad input: as LoadDrafterCases.
Result<std::vector<BatchCase>> LoadBatchCases();

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
