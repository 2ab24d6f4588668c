// SPDX-License-Identifier: Apache-2.0
#include "property_tests/laws/subject.h"

#include <fmt/format.h>

#include <utility>

#include "conformance/judge/run_call.h"
#include "conformance/run/run_case.h"

namespace attest {
namespace {

// A call that ended otherwise than with OK.
[[noreturn]] void EndByRecord(std::string_view how, const Record& record) {
  if (record.rule == kEnvironmentRule) throw Ended(OutcomeKind::kEnvironment, record.reason);
  EndAsBroken(fmt::format("{}: {}", how, record.reason));
}

}  // namespace

void EndAsBroken(std::string reason) { throw Ended(OutcomeKind::kFails, std::move(reason)); }
void EndAsVoid(std::string reason) { throw Ended(OutcomeKind::kVoid, std::move(reason)); }
void EndAsForeign(std::string reason) {
  throw Ended(OutcomeKind::kDoesNotApply, std::move(reason));
}

CaseInputs Subject::Build(const Sample& sample, const InputVariant& variant) {
  return BuildFor(sample.problem, sample, variant);
}

CaseInputs Subject::BuildFor(const Problem& problem, const Sample& sample,
                             const InputVariant& variant) {
  Sample other = sample;
  other.problem = problem;
  Result<CaseInputs> inputs = BuildInputs(CaseOf(other), sample.seed, variant);
  if (!inputs.ok()) EndAsVoid(inputs.status().message());
  return std::move(*inputs);
}

JudgedCall Subject::Ask(const Problem& problem, const CaseInputs& inputs, std::string_view how) {
  const ScopeAnswer scope = ScopeOf(claims(), problem);
  if (scope.scope != ClaimScope::kInside) {
    EndAsForeign(fmt::format("{}: {}", how, scope.reason));
  }
  Result<Expected> expected =
      ComputeExpected(problem, TensorsOf(inputs.image), AllRows(problem), arithmetic_, {});
  if (!expected.ok()) EndAsVoid(fmt::format("{}: {}", how, expected.status().message()));
  Record record;
  if (!Promised(session_, inputs, record)) EndByRecord(how, record);
  Ran ran = RunForward(session_, MultiplyAdds(problem), inputs, {});
  if (!ran.ok) EndByRecord(how, ran.record);
  return {.problem = problem, .image = std::move(ran.image), .expected = std::move(*expected)};
}

CallImage Subject::AskWriteKv(const Problem& problem, const CaseInputs& inputs) {
  const ScopeAnswer scope = ScopeOf(claims(), problem);
  if (scope.scope != ClaimScope::kInside) EndAsForeign(fmt::format("write_kv: {}", scope.reason));
  Record record;
  if (!Promised(session_, inputs, record)) EndByRecord("write_kv", record);
  Ran ran = RunPromised("write_kv",
                        [&](CallImage& image) { return session_.WriteKv(inputs.abi, 0, image); },
                        inputs.image, {});
  if (!ran.ok) EndByRecord("write_kv", ran.record);
  return std::move(ran.image);
}

JudgedCall Subject::AskMerge(const Problem& problem, const CaseInputs& inputs, Expected expected) {
  Ran ran =
      RunPromised("merge", [&](CallImage& image) { return session_.Merge(inputs.abi, 0, image); },
                  inputs.image, {});
  if (!ran.ok) EndByRecord("merge", ran.record);
  return {.problem = problem, .image = std::move(ran.image), .expected = std::move(expected)};
}

CaseInputs Retitled(const CaseInputs& inputs, const Problem& problem) {
  CaseInputs other = inputs;
  other.abi = ToAbi(problem);
  other.abi.num_blocks = inputs.abi.num_blocks;
  other.abi.block_table_width = inputs.abi.block_table_width;
  return other;
}

}  // namespace attest
