// SPDX-License-Identifier: Apache-2.0
//
// attest drafter problems, and --drafter of the commands that run cases: from a draft's config.json
// to attention cases.
#ifndef ATTEST_CONFORMANCE_CLI_DRAFTER_PROBLEMS_H_
#define ATTEST_CONFORMANCE_CLI_DRAFTER_PROBLEMS_H_

#include <string>
#include <vector>

#include "conformance/cli/subcommand.h"
#include "conformance/report/report.h"
#include "spec/cases/spec.h"

namespace CLI {
class App;
}

namespace attest {

Subcommand DrafterProblemsCommand();

// --drafter FILE: the case id is one of its problems.
void AddDrafterOption(CLI::App& app, std::string& drafter);

// A draft's config.json; empty for no path. Bad input: the file, with the place of what is wrong.
Result<DrafterOfRun> ReadDrafter(const std::string& path);

// The spec with the cases of a run: the suite's own, or the problems of its drafter by the rules of
// the newest era and of runner R2, which serves layers of both kinds. Bad input: the config lacks
// what a problem needs.
Result<Spec> LoadSpecOf(const DrafterOfRun& drafter);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_CLI_DRAFTER_PROBLEMS_H_
