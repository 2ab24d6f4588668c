// SPDX-License-Identifier: Apache-2.0
//
// Claims on the wire, in words a person can read.
#ifndef ATTEST_CONFORMANCE_RUN_PROTOCOL_CLAIMS_H_
#define ATTEST_CONFORMANCE_RUN_PROTOCOL_CLAIMS_H_

#include <nlohmann/json_fwd.hpp>

#include "spec/abi/attest.h"
#include "spec/vocabulary/claims.h"
#include "spec/vocabulary/status.h"

namespace attest {

// Bad input: whatever FromAbi(attest_claims_t) rejects, and an exclusion with an unknown feature or
// dtype.
Result<nlohmann::ordered_json> ClaimsToJson(const attest_claims_t& claims);

// Bad input: a member is missing, has another type, or is one too many; an unknown word; and
// whatever FromAbi rejects. The message names the member ("claims.head_dims[2]: ...").
Result<Claims> ClaimsFromJson(const nlohmann::ordered_json& json);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_PROTOCOL_CLAIMS_H_
