// SPDX-License-Identifier: Apache-2.0
//
// Clauses of the spec as values, read from spec/clauses/*.md (format: spec/clauses/README.md).
#ifndef ATTEST_SPEC_VOCABULARY_CLAUSE_H_
#define ATTEST_SPEC_VOCABULARY_CLAUSE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "spec/vocabulary/status.h"

namespace attest {

// The closed list of profiles, in the order in which reports show them. "core" is no profile: a
// core clause counts for whichever profile the case that cites it belongs to.
const std::vector<std::string>& ProfileNames();

// A behaviour that differs from the rule the spec chose and exists in public systems.
struct Deviation {
  std::string name;      // "causal-top-left"
  std::string sentence;  // what it computes, and where it was seen
};

struct Clause {
  std::string id;              // "MASK-01", permanent
  std::string topic;           // file it stands in: "masks"
  bool must = true;            // MUST or SHOULD
  bool reserved = false;       // fixed, but not judged yet: no case may cite it
  bool configuration = false;  // judged by configurations (spec/drafter), not by attention cases
  std::vector<std::string> profiles;
  std::string sentence;
  std::vector<std::string> sources;
  std::vector<Deviation> deviations;
};

// A MUST clause that has no case, on purpose.
struct ClauseWaiver {
  std::string clause;
  std::string reason;
};

// Parses one file. `name` ("masks.md") stands in error messages with the line.
Result<std::vector<Clause>> ParseClauses(std::string_view name, std::string_view text);

}  // namespace attest

#endif  // ATTEST_SPEC_VOCABULARY_CLAUSE_H_
