// SPDX-License-Identifier: Apache-2.0
//
// SHA-256 of bytes and of files, as 64 lower-case hexadecimal digits.
#ifndef ATTEST_SPEC_VOCABULARY_DIGEST_H_
#define ATTEST_SPEC_VOCABULARY_DIGEST_H_

#include <string>
#include <string_view>

#include "spec/vocabulary/status.h"

namespace attest {

std::string Sha256Hex(std::string_view bytes);

// Of the contents of the file at `path`, read in pieces. Bad input: it cannot be read.
Result<std::string> Sha256HexOfFile(const std::string& path);

}  // namespace attest

#endif  // ATTEST_SPEC_VOCABULARY_DIGEST_H_
