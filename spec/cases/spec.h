// SPDX-License-Identifier: Apache-2.0
//
// The whole spec as one value: everything that was embedded, read and expanded.
#ifndef ATTEST_SPEC_CASES_SPEC_H_
#define ATTEST_SPEC_CASES_SPEC_H_

#include <string>
#include <string_view>
#include <vector>

#include "spec/cases/case.h"
#include "spec/cases/embedded.h"
#include "spec/cases/template.h"
#include "spec/models/model.h"
#include "spec/vocabulary/clause.h"

namespace attest {

// A case id that was given up, and why. It is never used again.
struct Tombstone {
  std::string id;
  std::string reason;
};

struct Spec {
  std::vector<Clause> clauses;  // by file, then as written
  std::vector<ClauseWaiver> waivers;
  std::vector<Model> models;  // by id
  std::vector<BatchSpec> batches;
  std::vector<TopicFile> topics;  // the templates behind `cases`
  CaseSet cases;
  std::vector<Tombstone> tombstones;

  const Clause* FindClause(std::string_view id) const;
};

// Bad input: "path:line:column: ..." of the first problem in the data.
Result<Spec> LoadSpec();
Result<Spec> LoadSpecFrom(const std::vector<EmbeddedFile>& files);

// Union of the profiles of the cited clauses, in the order of ProfileNames(), without "core". Where
// nothing but core is cited, the profile of the attention type. A refusal has none: it shows what
// lies outside the claims.
std::vector<std::string> ProfilesOf(const Case& value, const std::vector<Clause>& clauses);

}  // namespace attest

#endif  // ATTEST_SPEC_CASES_SPEC_H_
