// SPDX-License-Identifier: Apache-2.0
//
// What the commands under `attest drafter` share: reading eras, runners, a target and a draft.
#ifndef ATTEST_CONFORMANCE_CLI_DRAFTER_TOOLS_H_
#define ATTEST_CONFORMANCE_CLI_DRAFTER_TOOLS_H_

#include <string>
#include <vector>

#include "reference/drafter/parse.h"
#include "reference/drafter/resolve.h"

namespace CLI {
class App;
}

namespace attest {

// One configuration on the command line.
struct DrafterFlags {
  std::string target;  // a file; empty is `{}`
  std::string draft;   // a file
  std::string platform;
  std::string runner = "R1";
  std::string attention_backend;
  std::string speculative_attention_backend;
  std::vector<std::string> sets;
  bool strict = false;
  bool json = false;
};

// Declares all of them; which of the two backend flags were given shows in the app's counts.
void AddDrafterFlags(CLI::App& app, DrafterFlags& flags);

// Of the value of `flag` ("--era"). Bad input: it is none.
Result<drafter::Era> ParseEraFlag(const char* flag, const std::string& text);
Result<drafter::Runner> ParseRunnerFlag(const std::string& text);

struct DrafterInput {
  drafter::TargetConfig target;
  drafter::DraftConfig draft;
  drafter::Platform platform;
  drafter::Runner runner = drafter::Runner::kR1;
};
// Bad input: one line with the file, the place and the key.
Result<DrafterInput> ReadDrafterInput(const CLI::App& app, const DrafterFlags& flags);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_CLI_DRAFTER_TOOLS_H_
