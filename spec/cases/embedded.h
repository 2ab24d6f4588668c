// SPDX-License-Identifier: Apache-2.0
//
// The spec's data files, compiled in, so that a program needs no files beside it.
#ifndef ATTEST_SPEC_CASES_EMBEDDED_H_
#define ATTEST_SPEC_CASES_EMBEDDED_H_

#include <string_view>
#include <vector>

namespace attest {

struct EmbeddedFile {
  std::string_view path;  // "spec/cases/masks.json"
  std::string_view text;
};

// Clauses, cases, schemas, bugs, models and batches, sorted by path.
const std::vector<EmbeddedFile>& EmbeddedFiles();

}  // namespace attest

#endif  // ATTEST_SPEC_CASES_EMBEDDED_H_
