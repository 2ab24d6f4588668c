// SPDX-License-Identifier: Apache-2.0
//
// Claims and arithmetic as they stand in a certificate: the words of the worker protocol, so that
// ClaimsFromJson (conformance/run/protocol_claims.h) reads them back.
#ifndef ATTEST_CONFORMANCE_REPORT_CLAIMS_JSON_H_
#define ATTEST_CONFORMANCE_REPORT_CLAIMS_JSON_H_

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "spec/vocabulary/arithmetic.h"
#include "spec/vocabulary/claims.h"
#include "spec/vocabulary/status.h"

namespace attest {

// Internal error: `claims` is no value that a backend could have claimed.
Result<nlohmann::ordered_json> ClaimsToJson(const Claims& claims);

// {"class": "default", "overrides": {"accumulate_qk": 2.0}}
nlohmann::ordered_json ToJson(const Arithmetic& arithmetic);
// `path` is the key path for messages.
Result<Arithmetic> ArithmeticFromJson(const nlohmann::ordered_json& json, const std::string& path);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_REPORT_CLAIMS_JSON_H_
