// SPDX-License-Identifier: Apache-2.0
//
// Whole files: read, and replaced at once or not at all.
#ifndef ATTEST_CONFORMANCE_RUN_FILES_H_
#define ATTEST_CONFORMANCE_RUN_FILES_H_

#include <string>
#include <string_view>

#include "spec/vocabulary/status.h"

namespace attest {

// Bad input: "PATH: No such file or directory" and the like.
Result<std::string> ReadFile(const std::string& path);

// Writes `bytes` to a new file beside `path`, syncs it and renames it over `path`: a reader sees
// the old contents or the new ones, also after a power cut. On an error nothing is left behind. Bad
// input: the directory is missing or not writable. Environment error: the disk is full.
Status WriteFileAtomically(const std::string& path, std::string_view bytes);

// Makes the directory and those above it. Bad input: not possible there, or not writable.
Status EnsureDirectory(const std::string& path);

// "WHAT: strerror(error)", as an environment error where the machine is at fault (disk full, no
// descriptors left) and as bad input where the path is.
Status FileError(const std::string& what, int error);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_FILES_H_
