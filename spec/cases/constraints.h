// SPDX-License-Identifier: Apache-2.0
//
// Named constraints: why a point of a template's axes is not a case. A template lists the names it
// wants; `attest list cases --why` prints name, sentence and values.
#ifndef ATTEST_SPEC_CASES_CONSTRAINTS_H_
#define ATTEST_SPEC_CASES_CONSTRAINTS_H_

#include <string>
#include <string_view>
#include <vector>

#include "spec/cases/case.h"

namespace attest {

struct Constraint {
  std::string_view name;
  std::string_view sentence;
  // The values of this point that break the rule; empty if it keeps it.
  std::string (*broken_by)(const Case& point);
};

const std::vector<Constraint>& Constraints();
const Constraint* FindConstraint(std::string_view name);

}  // namespace attest

#endif  // ATTEST_SPEC_CASES_CONSTRAINTS_H_
