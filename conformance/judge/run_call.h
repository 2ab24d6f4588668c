// SPDX-License-Identifier: Apache-2.0
//
// One call that was promised, and what its end means for the record of the case.
#ifndef ATTEST_CONFORMANCE_JUDGE_RUN_CALL_H_
#define ATTEST_CONFORMANCE_JUDGE_RUN_CALL_H_

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "conformance/run/record.h"
#include "conformance/run/session.h"

namespace attest {

Record With(Record record, Verdict verdict, std::string reason);

// Finishes the record of a case during which a call did not answer. Where no child could be
// started, its rule is kEnvironmentRule.
Record Unanswered(Record record, const CallResult& call, std::string_view doing = "");

// "REFUSED (no softcap)"
std::string DescribeAnswer(const CallResult& call);

// The image that a call left behind, or the finished record of what went wrong.
struct Ran {
  bool ok = false;
  CallImage image;
  Record record;
};

// A call of `name` that must return OK. After a "no" nothing may have changed; a device that fails
// while it works may leave half an output.
Ran RunPromised(std::string_view name, const std::function<CallResult(CallImage&)>& invoke,
                const CallImage& before, Record record);

// RunPromised of forward, which moreover may change rows below num_actual_tokens of out and lse
// only.
Ran RunForward(Session& session, double multiply_adds, const CaseInputs& inputs, Record record);

// Does `supports` say yes? If not, `record` is finished.
bool Promised(Session& session, const CaseInputs& inputs, Record& record);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_JUDGE_RUN_CALL_H_
