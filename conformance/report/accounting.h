// SPDX-License-Identifier: Apache-2.0
//
// The expected set: for each selected case, whether this backend must have a record of it, and why
// not.
#ifndef ATTEST_CONFORMANCE_REPORT_ACCOUNTING_H_
#define ATTEST_CONFORMANCE_REPORT_ACCOUNTING_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "spec/cases/case.h"
#include "spec/vocabulary/claims.h"

namespace attest {

enum class Standing : std::uint8_t {
  kExpected,       // a record must exist, whatever the backend answers
  kOutside,        // the backend does not claim what the case needs
  kExcluded,       // claimed, but on the backend's list of exclusions
  kNotApplicable,  // asks for the refusal of a feature that the backend does claim
};
std::string_view Name(Standing standing);  // "expected" "outside" "excluded" "not applicable"

struct CaseAccount {
  const Case* value = nullptr;
  Standing standing = Standing::kExpected;
  std::string reason;  // why not expected
};

// One account a case, in the same order.
std::vector<CaseAccount> AccountFor(const std::vector<const Case*>& cases, const Claims& claims);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_REPORT_ACCOUNTING_H_
