// SPDX-License-Identifier: Apache-2.0
//
// The worked example of spec/cases/EVAL.md: a problem and its tensors, small enough to read.
#ifndef ATTEST_CONFORMANCE_EVAL_EXAMPLE_H_
#define ATTEST_CONFORMANCE_EVAL_EXAMPLE_H_

#include <string>
#include <utility>
#include <vector>

namespace attest {

using NamedFiles = std::vector<std::pair<std::string, std::string>>;  // name, contents

// One request of three rows and five keys, two query heads on one KV head, bfloat16, softcap, and a
// boolean mask of [rows, keys] that hides key 1 from all rows and everything from row 1.
NamedFiles ExampleFiles();

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_EVAL_EXAMPLE_H_
