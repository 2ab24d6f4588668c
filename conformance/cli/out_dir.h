// SPDX-License-Identifier: Apache-2.0
//
// The directory that a command is about to fill.
#ifndef ATTEST_CONFORMANCE_CLI_OUT_DIR_H_
#define ATTEST_CONFORMANCE_CLI_OUT_DIR_H_

#include <string>

#include "spec/vocabulary/status.h"

namespace attest {

// Makes sure that `path` is an empty directory in which files can be created; creates it and its
// parents. Bad input: it holds something (`hint` says what to do), is no directory, or cannot be
// written.
Status PrepareOutDir(const std::string& path, const std::string& hint);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_CLI_OUT_DIR_H_
