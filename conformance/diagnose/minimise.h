// SPDX-License-Identifier: Apache-2.0
//
// The smallest case that still fails in the same way.
#ifndef ATTEST_CONFORMANCE_DIAGNOSE_MINIMISE_H_
#define ATTEST_CONFORMANCE_DIAGNOSE_MINIMISE_H_

#include <functional>
#include <string>
#include <vector>

#include "spec/cases/case.h"

namespace attest {

// Simpler cases than `value`, the greatest steps first: fewer requests, shorter ones, fewer heads,
// smaller head sizes and pages, each feature off, plain layouts, types and poison. All are valid,
// and each differs in one thing.
std::vector<Case> SimplerCases(const Case& value);

struct Minimised {
  Case value;
  int tried = 0;  // cases that `same` was asked about
};
// Goes down as long as `same` says yes and `most` questions last. `value` itself is taken to be a
// yes.
Minimised Minimise(const Case& value, const std::function<bool(const Case&)>& same, int most);

// What a minimised case still needs, in words: "window_left 5", "2 requests", "seq_len above 16".
// Features that every call has are left out.
std::vector<std::string> Needs(const Case& value);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_DIAGNOSE_MINIMISE_H_
