// SPDX-License-Identifier: Apache-2.0
//
// The attention problems that a drafter poses in serving, as cases.
#ifndef ATTEST_CONFORMANCE_DRAFTER_PROBLEMS_H_
#define ATTEST_CONFORMANCE_DRAFTER_PROBLEMS_H_

#include <string>
#include <vector>

#include "reference/drafter/draft_config.h"
#include "reference/drafter/resolution.h"
#include "spec/cases/case.h"
#include "spec/models/model.h"
#include "spec/vocabulary/clause.h"

namespace attest::drafter {

// One layer for each kind that the drafter has: causality and window. Bad input: the config lacks a
// number that a problem needs.
Result<Model> ModelOf(const std::string& name, const DraftConfig& draft,
                      const Resolution& resolution);

// Draft steps of K + 1 rows a request: alone, after different numbers of rejected drafts, in larger
// batches, and behind contexts longer than the widest window.
std::vector<BatchSpec> DraftSteps(const Resolution& resolution);

// Cases "drafter/NAME/layer=...,batch=...,tp=...,inputs=...", complete with profiles and digest.
// They cite DFLASH-01 where the layer is not causal and DFLASH-02 where it is.
Result<CaseSet> ProblemsOf(const std::string& name, const DraftConfig& draft,
                           const Resolution& resolution, const std::vector<Clause>& clauses);

}  // namespace attest::drafter

#endif  // ATTEST_CONFORMANCE_DRAFTER_PROBLEMS_H_
