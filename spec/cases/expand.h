// SPDX-License-Identifier: Apache-2.0
//
// From templates to cases: the product of a template's axes, in the order in which they are
// written.
#ifndef ATTEST_SPEC_CASES_EXPAND_H_
#define ATTEST_SPEC_CASES_EXPAND_H_

#include <vector>

#include "spec/cases/case.h"
#include "spec/cases/template.h"
#include "spec/models/model.h"

namespace attest {

inline constexpr double kSmokeBudget = 0x1p22;  // multiply-adds of one case
inline constexpr double kCiBudget = 0x1p28;
// Keys and values of a model case, in elements: decode steps of models with many KV heads need few
// multiply-adds and much memory.
inline constexpr double kCacheBudget = 0x1p24;

// Appends the cases of `value` to `set`, without profiles. Bad input, beginning with a key path: a
// patch that is no patch, a problem that contradicts itself, a refusal whose problem does not need
// the feature, or a smoke case above the budget.
Status ExpandTemplate(const TopicFile& file, const CaseTemplate& value, CaseSet& set);

// The same for a model group: every suitable batch of every layer of every model named, the query
// and KV heads divided by the smallest tensor-parallel factor of 1, 2, 4, 8 that fits the tier and
// kCacheBudget.
Status ExpandGroup(const TopicFile& file, const ModelGroup& group, const std::vector<Model>& models,
                   const std::vector<BatchSpec>& batches, CaseSet& set);

// Tier `wanted`, or kFull for a ci case above kCiBudget.
Tier TierOf(const Problem& problem, Tier wanted);

// The clauses that a forward case of this problem is about, for problems that nobody wrote
// sentences for (models, replay files). Only clauses that are not reserved.
std::vector<std::string> ClausesShownBy(const Problem& problem, Recipe recipe);

// "causal", "non-causal", "encoder-only" or "cross": the profile of a case whose clauses are all of
// core.
std::string ProfileOfType(const Problem& problem);

}  // namespace attest

#endif  // ATTEST_SPEC_CASES_EXPAND_H_
