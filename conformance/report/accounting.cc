// SPDX-License-Identifier: Apache-2.0
#include "conformance/report/accounting.h"

#include <utility>

#include "conformance/run/run_case.h"

namespace attest {
namespace {

constexpr std::string_view kExcludedPrefix = "excluded: ";  // of ScopeOf's reasons

Standing StandingOf(const Case& value, const Expectation& expectation) {
  if (expectation.expected) return Standing::kExpected;
  if (value.kind == CaseKind::kRefusal) return Standing::kNotApplicable;
  return expectation.reason.starts_with(kExcludedPrefix) ? Standing::kExcluded : Standing::kOutside;
}

}  // namespace

std::string_view Name(Standing standing) {
  switch (standing) {
    case Standing::kExpected:
      return "expected";
    case Standing::kOutside:
      return "outside";
    case Standing::kExcluded:
      return "excluded";
    case Standing::kNotApplicable:
      return "not applicable";
  }
  return "expected";
}

std::vector<CaseAccount> AccountFor(const std::vector<const Case*>& cases, const Claims& claims) {
  std::vector<CaseAccount> accounts;
  accounts.reserve(cases.size());
  for (const Case* value : cases) {
    Expectation expectation = ExpectationOf(claims, *value);
    const Standing standing = StandingOf(*value, expectation);
    if (standing == Standing::kExcluded) expectation.reason.erase(0, kExcludedPrefix.size());
    accounts.push_back({value, standing, std::move(expectation.reason)});
  }
  return accounts;
}

}  // namespace attest
