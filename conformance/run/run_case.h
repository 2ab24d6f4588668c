// SPDX-License-Identifier: Apache-2.0
//
// RunCase: the only door between a case and a verdict. GoogleTest, certify and replay all go
// through it.
#ifndef ATTEST_CONFORMANCE_RUN_RUN_CASE_H_
#define ATTEST_CONFORMANCE_RUN_RUN_CASE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conformance/run/record.h"
#include "conformance/run/session.h"
#include "spec/cases/case.h"
#include "spec/vocabulary/arithmetic.h"

namespace attest {

struct RunOptions {
  std::uint64_t seed = 0;
  Arithmetic arithmetic;       // the class to judge by: the backend's claim, or a tighter one
  double max_judged = 0x1p28;  // multiply-adds of the judged rows; longer cases are sampled by rows
  int threads = 1;             // of the oracle
  // Forward cases of the generic recipe that the bound passes are also read by their statistics
  // (conformance/judge/statistics.h); an accusation costs up to three more calls.
  bool statistics = true;
  // Ask first what the case can expose, and mistrust one that exposes nothing. Its answer depends
  // on the case alone, and takes longer than the calls: experiments with one case on many backends
  // leave it out. Read by the kinds that compute attention in many rows: forward calls, graphs and
  // the serving loop; the others ask in any case.
  bool power = true;
};

// Is this case expected of this backend? Its problem lies inside the claims, a cascade's prefix
// part too, and the backend claims what the kind is about (write_kv, merge, determinism, ...).
// Refusal: the feature is not claimed.
struct Expectation {
  bool expected = false;
  std::string reason;  // why not: "excluded: ...", "does not claim sinks"
};
Expectation ExpectationOf(const Claims& claims, const Case& value);

// The case as this backend is asked it. The LSE is asked for wherever it is offered; where it is
// not claimed, a case that wants it on the side is asked without, and cites no clause that only an
// LSE can show. Everything else is asked as it is written.
Case AsAskedOf(const Claims& claims, Case value);
std::vector<Case> AsAskedOf(const Claims& claims, const std::vector<Case>& cases);

// The rule of a record whose case could not run because no child could be started: a fault of the
// environment and not of the backend. Commands end with it.
inline constexpr std::string_view kEnvironmentRule = "environment";

Record RunCase(Session& session, const Case& value, const RunOptions& options);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_RUN_CASE_H_
