// SPDX-License-Identifier: Apache-2.0
//
// attest_problem_t on the wire: a JSON object with every member of the structure under its own
// name, so that nothing is lost on the way and nonsense arrives as the same nonsense.
#ifndef ATTEST_CONFORMANCE_RUN_PROTOCOL_PROBLEM_H_
#define ATTEST_CONFORMANCE_RUN_PROTOCOL_PROBLEM_H_

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "spec/abi/attest.h"
#include "spec/vocabulary/status.h"

namespace attest {

// One member of attest_problem_t. The table holds them all, in order of declaration, without gaps.
using ProblemMember =
    std::variant<std::uint32_t attest_problem_t::*, std::int32_t attest_problem_t::*,
                 std::int64_t attest_problem_t::*, float attest_problem_t::*,
                 attest_dtype_t attest_problem_t::*>;
struct ProblemField {
  std::string_view name;
  ProblemMember member;
};
const std::vector<ProblemField>& ProblemFields();

// Integers are JSON integers. A float is a string: C's hexadecimal notation ("0x1.8p-4"), "inf",
// "-inf" or "nan"; every float but a NaN's payload arrives bit for bit. A dtype is an object
// {"code", "bits", "lanes"}.
nlohmann::ordered_json ToJson(const attest_problem_t& problem);

// Bad input: a member is missing, has another type or does not fit; or there is one more. The
// message names it ("problem.window_left: ...").
Result<attest_problem_t> AbiProblemFromJson(const nlohmann::ordered_json& json);

// Overwrites one member with a number: an integer as it is (it must fit), a float by its 32 bits, a
// dtype as code + 256*bits + 65536*lanes. Bad input: no such member, or the number does not fit.
Status SetProblemField(attest_problem_t& problem, std::string_view name, std::int64_t number);

// {"code", "bits", "lanes"}, and back; `where` stands before the message.
nlohmann::ordered_json DTypeToJson(attest_dtype_t dtype);
Result<attest_dtype_t> DTypeFromJson(const nlohmann::ordered_json& json, const std::string& where);

// "0x1.8p-4", "inf", "-inf", "nan", and back.
std::string FloatToHex(float value);
Result<float> FloatFromHex(std::string_view text, const std::string& where);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_PROTOCOL_PROBLEM_H_
