// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_CONFORMANCE_CLI_PROBED_MASK_H_
#define ATTEST_CONFORMANCE_CLI_PROBED_MASK_H_

#include <nlohmann/json.hpp>
#include <string>

#include "conformance/run/session.h"
#include "spec/cases/case.h"

namespace attest {

// The mask of one case's problem as the prober reads it off the backend, whatever the inputs of the
// case were: is it a mask at all that is wrong?
struct ProbedMask {
  std::string text;  // the summary, and the three grids where they differ; or why nothing was read
  std::string svg;   // empty where nothing was read
  nlohmann::ordered_json json;
};

// One call where the mask is right, and few more where it is not. Nothing is asked for a case that
// is not one forward call, nor for more than 8,192 keys.
ProbedMask ProbeMaskOf(Session& session, const Case& value);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_CLI_PROBED_MASK_H_
