// SPDX-License-Identifier: Apache-2.0
//
// The option that names a backend.
#ifndef ATTEST_CONFORMANCE_CLI_BACKEND_OPTION_H_
#define ATTEST_CONFORMANCE_CLI_BACKEND_OPTION_H_

#include <CLI/App.hpp>
#include <string>

namespace attest {

// Adds --backend and --python. After parsing, `backend` names the interpreter too, so that the
// commands which a report prints need no second flag.
CLI::Option* AddBackendOption(CLI::App& app, std::string& backend);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_CLI_BACKEND_OPTION_H_
