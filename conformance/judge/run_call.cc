// SPDX-License-Identifier: Apache-2.0
#include "conformance/judge/run_call.h"

#include <fmt/format.h>

#include "conformance/judge/untouched.h"
#include "conformance/run/protocol.h"
#include "conformance/run/run_case.h"

namespace attest {
namespace {

// What a call that gave no answer means.
std::pair<Verdict, std::string> VerdictOfEnd(const CallResult& call) {
  switch (call.end) {
    case CallEnd::kAnswered:
      break;
    case CallEnd::kCrash:
    case CallEnd::kMemory:
      return {Verdict::kCrash, call.message};
    case CallEnd::kTimeout:
      return {Verdict::kTimeout, call.message};
    case CallEnd::kProtocol:
      return {Verdict::kError, call.message};
    case CallEnd::kThrew:
      return {Verdict::kError, "threw across the ABI: " + call.message};
    case CallEnd::kCannotStart:
      return {Verdict::kError, "no child could be started: " + call.message};
  }
  return {Verdict::kError, call.message};
}

// A call that was promised and did not return OK.
Record BrokenPromise(Record record, std::string_view name, const CallResult& call) {
  record.rule = "status";
  const std::string answer = fmt::format("{} answered {}", name, DescribeAnswer(call));
  switch (call.status) {
    case ATTEST_REFUSED:
      return With(std::move(record), Verdict::kFail, "refused after a yes: " + call.message);
    case ATTEST_DEVICE_LOST:
    case ATTEST_NO_DEVICE:
      return With(std::move(record), Verdict::kDeviceLost, answer);
    default:
      return With(std::move(record), Verdict::kError, answer);
  }
}

}  // namespace

Record With(Record record, Verdict verdict, std::string reason) {
  record.verdict = verdict;
  record.reason = std::move(reason);
  return record;
}

Record Unanswered(Record record, const CallResult& call, std::string_view doing) {
  auto [verdict, reason] = VerdictOfEnd(call);
  if (call.end == CallEnd::kCannotStart) record.rule = kEnvironmentRule;
  if (!doing.empty()) reason = fmt::format("{}: {}", doing, reason);
  return With(std::move(record), verdict, std::move(reason));
}

std::string DescribeAnswer(const CallResult& call) {
  return fmt::format("{} ({})", StatusWord(call.status),
                     call.message.empty() ? "no text" : call.message);
}

Ran RunPromised(std::string_view name, const std::function<CallResult(CallImage&)>& invoke,
                const CallImage& before, Record record) {
  CallImage image = before;
  const CallResult call = invoke(image);
  if (call.end != CallEnd::kAnswered) return {.record = Unanswered(std::move(record), call)};
  if (call.status == ATTEST_OK) {
    return {.ok = true, .image = std::move(image), .record = std::move(record)};
  }
  if (call.status == ATTEST_REFUSED || call.status == ATTEST_INVALID_ARGUMENT) {
    std::string change = FirstForbiddenChange(before, image, 0);
    if (!change.empty()) {
      record.rule = "untouched";
      return {.record = With(std::move(record), Verdict::kFail, std::move(change))};
    }
  }
  return {.record = BrokenPromise(std::move(record), name, call)};
}

Ran RunForward(Session& session, double multiply_adds, const CaseInputs& inputs, Record record) {
  const auto invoke = [&](CallImage& image) {
    return session.Forward(inputs.abi, multiply_adds, image);
  };
  Ran ran = RunPromised("forward", invoke, inputs.image, std::move(record));
  if (!ran.ok) return ran;
  std::string change = FirstForbiddenChange(inputs.image, ran.image, inputs.abi.num_actual_tokens);
  if (change.empty()) return ran;
  ran.ok = false;
  ran.record.rule = "untouched";
  ran.record = With(std::move(ran.record), Verdict::kFail, std::move(change));
  return ran;
}

bool Promised(Session& session, const CaseInputs& inputs, Record& record) {
  const CallResult call = session.Supports(inputs.abi);
  if (call.end != CallEnd::kAnswered) {
    record = Unanswered(std::move(record), call, "supports");
    return false;
  }
  if (call.status == ATTEST_OK) return true;
  record.rule = "status";
  const Verdict verdict = call.status == ATTEST_REFUSED ? Verdict::kRefused : Verdict::kError;
  record = With(std::move(record), verdict,
                "supports answered " + DescribeAnswer(call) + " inside its claims");
  return false;
}

}  // namespace attest
