// SPDX-License-Identifier: Apache-2.0
//
// How a step on the host side ended: done, or a code of the ABI with its text.
#ifndef ATTEST_BACKENDS_GPU_ANSWER_H_
#define ATTEST_BACKENDS_GPU_ANSWER_H_

#include <string>
#include <utility>

#include "spec/abi/attest.h"

namespace attest::gpu {

struct Answer {
  attest_status_t status = ATTEST_OK;
  std::string text;
  bool ok() const { return status == ATTEST_OK; }
};

inline Answer Refused(std::string text) { return {ATTEST_REFUSED, std::move(text)}; }
// "FIELD: VALUE, WHY".
inline Answer Invalid(const std::string& field, const std::string& value, const std::string& why) {
  return {ATTEST_INVALID_ARGUMENT, field + ": " + value + ", " + why};
}

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_GPU_ANSWER_H_
