// SPDX-License-Identifier: Apache-2.0
//
// The data of spec/drafter, compiled in.
#ifndef ATTEST_SPEC_DRAFTER_EMBEDDED_H_
#define ATTEST_SPEC_DRAFTER_EMBEDDED_H_

#include <vector>

#include "spec/cases/embedded.h"

namespace attest {

// Tables, schemas, draft configs and cases, sorted by path.
const std::vector<EmbeddedFile>& DrafterFiles();

}  // namespace attest

#endif  // ATTEST_SPEC_DRAFTER_EMBEDDED_H_
