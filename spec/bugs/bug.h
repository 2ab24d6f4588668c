// SPDX-License-Identifier: Apache-2.0
//
// Real bugs of attention backends, each with its public reference, and what became of it here:
// mutants that compute what it computed, or one line that says why there is none.
#ifndef ATTEST_SPEC_BUGS_BUG_H_
#define ATTEST_SPEC_BUGS_BUG_H_

#include <string>
#include <string_view>
#include <vector>

#include "spec/vocabulary/status.h"

namespace attest {

// A class of bugs. The list of them is closed.
struct BugClass {
  std::string name;
  std::string sentence;
};

struct Bug {
  std::string id;  // permanent
  std::string bug_class;
  std::string reference;  // "vllm-project/vllm#29487", "Dao-AILab/flash-attention@9e5e8bc9"
  std::string sentence;   // what went wrong
  std::vector<std::string> mutants;
  std::vector<std::string> config_mutants;  // of conformance/drafter: `attest drafter serve --list`
  std::string not_a_mutant;                 // why; empty exactly where one of the two above is not
};

struct BugList {
  std::vector<BugClass> classes;
  std::vector<Bug> bugs;

  const Bug* Find(std::string_view id) const;
};

// spec/bugs/bugs.json. Bad input: "path:line:column: ..." of the first problem.
Result<BugList> LoadBugs();
Result<BugList> ParseBugs(std::string_view path, std::string_view text);

}  // namespace attest

#endif  // ATTEST_SPEC_BUGS_BUG_H_
