// SPDX-License-Identifier: Apache-2.0
//
// The cases of attest as GoogleTest tests of one backend. Registered from values: no macro, no
// registry, nothing is instantiated at compile time.
#ifndef ATTEST_CONFORMANCE_SUITES_BACKEND_SUITE_H_
#define ATTEST_CONFORMANCE_SUITES_BACKEND_SUITE_H_

#include <memory>
#include <string>
#include <vector>

#include "conformance/run/run_case.h"
#include "conformance/run/session.h"
#include "spec/cases/case.h"

namespace attest {

// What all tests of one backend share. Both outlive RUN_ALL_TESTS.
struct SuiteBackend {
  std::string name;
  std::unique_ptr<Session> session;
  RunOptions options;
};

struct Registered {
  int tests = 0;
  int not_expected = 0;  // outside the claims, excluded, or not applicable: no test
};

// One test for each expected case, named by its id, in suite "conformance/NAME", or "graph/NAME"
// where the case walks through steps (graphs, persistent buffers, serving loops). A verdict other
// than pass is a test failure that shows the mask or the steps and ends with the replay command.
Registered RegisterBackend(SuiteBackend& backend, const std::vector<const Case*>& cases);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_SUITES_BACKEND_SUITE_H_
