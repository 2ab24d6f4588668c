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

// "python:x:y" with the interpreter that runs it, "python@/venv/bin/python:x:y", which is an
// argument of --backend in its own right; any other argument, or no interpreter: as it is.
std::string WithInterpreter(const std::string& argument, const std::string& interpreter);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_RESOLVE_H_
