// SPDX-License-Identifier: Apache-2.0
//
// The cases that walk through steps (graphs, persistent buffers, serving loops) as GoogleTest
// tests: suite "graph/NAME".
#ifndef ATTEST_CONFORMANCE_SUITES_GRAPH_SUITE_H_
#define ATTEST_CONFORMANCE_SUITES_GRAPH_SUITE_H_

#include <vector>

#include "conformance/suites/backend_suite.h"

namespace attest {

// As RegisterBackend, which leaves these cases out. A failure lists the steps of the walk.
Registered RegisterWalks(SuiteBackend& backend, const std::vector<const Case*>& cases);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_SUITES_GRAPH_SUITE_H_
