// SPDX-License-Identifier: Apache-2.0
//
// One question of the drafter protocol as a value, and the model's answer to it.
#ifndef ATTEST_CONFORMANCE_DRAFTER_QUESTION_H_
#define ATTEST_CONFORMANCE_DRAFTER_QUESTION_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "reference/drafter/era.h"
#include "reference/drafter/platform.h"
#include "spec/vocabulary/status.h"

namespace attest::drafter {

enum class Op : std::uint8_t { kResolve, kPrepare };
std::string_view NameOf(Op op);  // "resolve" "prepare"

struct Question {
  Op op = Op::kPrepare;
  Era era = Era::kE5;
  Runner runner = Runner::kR1;
  Platform platform;                                                 // of resolve
  nlohmann::ordered_json target = nlohmann::ordered_json::object();  // of resolve
  nlohmann::ordered_json draft = nlohmann::ordered_json::object();   // of resolve
  nlohmann::ordered_json batch = nlohmann::ordered_json::object();   // of prepare
  bool operator==(const Question&) const = default;
};

// As the protocol says it, without an id; and back. Bad input: begins with the key.
nlohmann::ordered_json ToJson(const Question& question);
Result<Question> QuestionFromJson(const nlohmann::ordered_json& json);

// Two answers to one question that differ in one field. A field that is missing is `null`.
struct Difference {
  std::string field;
  nlohmann::ordered_json expected;
  nlohmann::ordered_json got;
};

// Fields of `expected` that `got` has otherwise, in the order of `expected`; only those in `fields`
// unless it is empty. Where one of the two is not served, `served` and `error` alone count.
std::vector<Difference> Differences(const nlohmann::ordered_json& expected,
                                    const nlohmann::ordered_json& got,
                                    const std::vector<std::string>& fields);

}  // namespace attest::drafter

#endif  // ATTEST_CONFORMANCE_DRAFTER_QUESTION_H_
