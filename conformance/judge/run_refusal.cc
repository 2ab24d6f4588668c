// SPDX-License-Identifier: Apache-2.0
//
// Cases whose right answer is no.
#include <fmt/format.h>

#include <utility>

#include "conformance/judge/power.h"
#include "conformance/judge/run_call.h"
#include "conformance/judge/run_kinds.h"
#include "conformance/judge/untouched.h"
#include "conformance/run/protocol.h"

namespace attest {
namespace {

// The backend must say no with a reason, twice: when asked, and when called all the same.
Record RunNoCase(Session& session, const CaseInputs& inputs, int wanted, Record record) {
  const CallResult asked = session.Supports(inputs.abi);
  CallImage image = inputs.image;
  const CallResult called = session.Forward(inputs.abi, 0, image);
  for (const auto& [name, call] : {std::pair{"supports", &asked}, std::pair{"forward", &called}}) {
    if (call->end != CallEnd::kAnswered) return Unanswered(std::move(record), *call, name);
    if (call->status != wanted) {
      return With(std::move(record), Verdict::kFail,
                  fmt::format("{} answered {}, expected {}", name, DescribeAnswer(*call),
                              StatusWord(wanted)));
    }
    if (call->message.empty()) {
      return With(std::move(record), Verdict::kFail,
                  fmt::format("{} answered {} without a reason", name, StatusWord(wanted)));
    }
  }
  if (std::string change = FirstForbiddenChange(inputs.image, image, 0); !change.empty()) {
    return With(std::move(record), Verdict::kFail, std::move(change));
  }
  record.verdict = Verdict::kPass;
  return record;
}

}  // namespace

Record RunRefusalCase(Session& session, const Case& value, const CaseInputs& inputs,
                      Record record) {
  record.rule = "refusal";
  record.exposes = ExposedMutants(value, inputs, {}, {});
  // These are members of the table: not offered is a NULL there, and a table that offers one
  // without the claim is rejected when it is opened. No problem asks for them, so there is nothing
  // to call, and an open session is the answer.
  constexpr std::uint64_t kMembers =
      ATTEST_CLAIM_WRITE_KV | ATTEST_CLAIM_MERGE | ATTEST_CLAIM_COPY_TO_PERSISTENT;
  if ((value.feature & kMembers) != 0) {
    record.verdict = Verdict::kPass;
    return record;
  }
  return RunNoCase(session, inputs, ATTEST_REFUSED, std::move(record));
}

Record RunInvalidCase(Session& session, const Case& value, CaseInputs inputs, Record record) {
  record.rule = "invalid";
  record.exposes = ExposedMutants(value, inputs, {}, {});
  for (const auto& [field, number] : value.abi_patch) {
    if (Status status = SetProblemField(inputs.abi, field, number); !status.ok()) {
      return With(std::move(record), Verdict::kMistrusted, status.message());
    }
  }
  return RunNoCase(session, inputs, ATTEST_INVALID_ARGUMENT, std::move(record));
}

}  // namespace attest
