// SPDX-License-Identifier: Apache-2.0
//
// attest drafter problems, and certify --drafter: from a draft's config.json to attention cases.
#ifndef ATTEST_CONFORMANCE_CLI_DRAFTER_PROBLEMS_H_
#define ATTEST_CONFORMANCE_CLI_DRAFTER_PROBLEMS_H_

#include <string>
#include <vector>

#include "conformance/cli/subcommand.h"
#include "spec/cases/case.h"
#include "spec/vocabulary/clause.h"

namespace attest {

Subcommand DrafterProblemsCommand();

// The problems of the drafter in this config.json, by the rules of the newest era and of
// runner R2, which serves layers of both kinds. Bad input: the file, with its place.
Result<CaseSet> ReadDrafterProblems(const std::string& path, const std::vector<Clause>& clauses);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_CLI_DRAFTER_PROBLEMS_H_
