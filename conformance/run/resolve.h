// SPDX-License-Identifier: Apache-2.0
//
// Where programs and built-in backends lie.
#ifndef ATTEST_CONFORMANCE_RUN_RESOLVE_H_
#define ATTEST_CONFORMANCE_RUN_RESOLVE_H_

#include <string>
#include <vector>

namespace attest {

// Where attest-worker and the built-in backends are: the directory of the running program, or
// $ATTEST_BIN where that is set. Without a slash at the end.
std::string ProgramDirectory();

// Names of the built-in backends that are there, sorted: "cpu" for libattest_cpu.so.
std::vector<std::string> BuiltInBackends();

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_RESOLVE_H_
