// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/run_case.h"

#include <fmt/format.h>

#include <bit>
#include <string>
#include <utility>

#include "conformance/judge/compare.h"
#include "conformance/judge/sample_rows.h"
#include "conformance/judge/untouched.h"
#include "conformance/run/protocol.h"
#include "reference/oracle.h"

namespace attest {
namespace {

Record NewRecord(const Case& value, const Session& session, std::uint64_t seed) {
  return {.case_id = value.id,
          .content_hash = value.content_hash,
          .seed = seed,
          .clauses = value.clauses,
          .profiles = value.profiles,
          .repro = fmt::format("attest replay '{}' --seed {} --backend '{}'", value.id, seed,
                               session.spec().argument)};
}

Record With(Record record, Verdict verdict, std::string reason) {
  record.verdict = verdict;
  record.reason = std::move(reason);
  return record;
}

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

std::string Answer(const CallResult& call) {
  return fmt::format("{} ({})", StatusWord(call.status),
                     call.message.empty() ? "no text" : call.message);
}

// A forward call that was promised and did not return OK.
Record BrokenPromise(Record record, const CallResult& call) {
  record.rule = "status";
  switch (call.status) {
    case ATTEST_REFUSED:
      return With(std::move(record), Verdict::kFail, "refused after a yes: " + call.message);
    case ATTEST_DEVICE_LOST:
    case ATTEST_NO_DEVICE:
      return With(std::move(record), Verdict::kDeviceLost, "forward answered " + Answer(call));
    default:
      return With(std::move(record), Verdict::kError, "forward answered " + Answer(call));
  }
}

// One forward call; the image that came back, or the finished record of what went wrong.
struct Ran {
  bool ok = false;
  CallImage image;
  Record record;
};

Ran RunForward(Session& session, const Case& value, const CaseInputs& inputs, Record record) {
  CallImage image = inputs.image;
  const CallResult call = session.Forward(inputs.abi, MultiplyAdds(value.problem), image);
  if (call.end != CallEnd::kAnswered) {
    auto [verdict, reason] = VerdictOfEnd(call);
    return {.record = With(std::move(record), verdict, std::move(reason))};
  }
  const bool ok = call.status == ATTEST_OK;
  // A device that fails while it works may leave half an output; only a "no" must leave it whole.
  if (!ok && call.status != ATTEST_REFUSED && call.status != ATTEST_INVALID_ARGUMENT) {
    return {.record = BrokenPromise(std::move(record), call)};
  }
  const std::int64_t written = ok ? inputs.abi.num_actual_tokens : 0;
  const std::string change = FirstForbiddenChange(inputs.image, image, written);
  if (!change.empty()) {
    record.rule = "untouched";
    return {.record = With(std::move(record), Verdict::kFail, change)};
  }
  if (!ok) return {.record = BrokenPromise(std::move(record), call)};
  return {.ok = true, .image = std::move(image), .record = std::move(record)};
}

// Was the answer "yes"? If not, the finished record.
bool Promised(Session& session, const CaseInputs& inputs, Record& record) {
  const CallResult call = session.Supports(inputs.abi);
  if (call.end != CallEnd::kAnswered) {
    auto [verdict, reason] = VerdictOfEnd(call);
    record = With(std::move(record), verdict, "supports: " + reason);
    return false;
  }
  if (call.status == ATTEST_OK) return true;
  record.rule = "status";
  const Verdict verdict = call.status == ATTEST_REFUSED ? Verdict::kRefused : Verdict::kError;
  record =
      With(std::move(record), verdict, "supports answered " + Answer(call) + " inside its claims");
  return false;
}

// A class that is looser than the default may admit zeros where scores are extreme; that is the
// backend's own declaration and no fault of the case.
bool ZerosWouldFailByDefault(const Case& value, const CaseInputs& inputs,
                             const std::vector<QueryRow>& rows, const RunOptions& options) {
  if (options.arithmetic == DefaultArithmetic()) return false;
  const Result<Expected> expected =
      ComputeExpected(value.problem, TensorsOf(inputs.image), rows, DefaultArithmetic(),
                      {.bound = true, .threads = options.threads});
  return expected.ok() && ZerosWouldFail(value, inputs, *expected);
}

Record RunForwardCase(Session& session, const Case& value, const CaseInputs& inputs,
                      const RunOptions& options, Record record) {
  const std::vector<QueryRow> rows = SampleRows(value.problem, options.max_judged, options.seed);
  const Result<Expected> expected =
      ComputeExpected(value.problem, TensorsOf(inputs.image), rows, options.arithmetic,
                      {.bound = true, .threads = options.threads});
  if (!expected.ok())
    return With(std::move(record), Verdict::kMistrusted, expected.status().message());
  if (!expected->out_bound.allFinite() || !expected->lse_bound.allFinite()) {
    return With(std::move(record), Verdict::kMistrusted, "the bound of this case is not finite");
  }
  if (!ZerosWouldFail(value, inputs, *expected)) {
    if (!ZerosWouldFailByDefault(value, inputs, rows, options)) {
      return With(std::move(record), Verdict::kMistrusted,
                  "an output of zeros would pass this case");
    }
    record.note = "weak: the declared arithmetic admits an output of zeros here";
  }
  if (!Promised(session, inputs, record)) return record;
  Ran first = RunForward(session, value, inputs, std::move(record));
  if (!first.ok) return first.record;
  record = std::move(first.record);
  Compare(value, inputs, first.image, *expected, record);
  if (value.kind != CaseKind::kDeterminism || record.verdict != Verdict::kPass) return record;

  Ran second = RunForward(session, value, inputs, std::move(record));
  if (!second.ok) return second.record;
  record = std::move(second.record);
  record.rule = "bitwise";
  if (first.image.bytes == second.image.bytes) return record;
  return With(std::move(record), Verdict::kFail, "the same call gave other bits the second time");
}

// The backend must say no with a reason, twice: when asked, and when called all the same.
Record RunNoCase(Session& session, const CaseInputs& inputs, int wanted, Record record) {
  const CallResult asked = session.Supports(inputs.abi);
  CallImage image = inputs.image;
  const CallResult called = session.Forward(inputs.abi, 0, image);
  for (const auto& [name, call] : {std::pair{"supports", &asked}, std::pair{"forward", &called}}) {
    if (call->end != CallEnd::kAnswered) {
      auto [verdict, reason] = VerdictOfEnd(*call);
      return With(std::move(record), verdict, fmt::format("{}: {}", name, reason));
    }
    if (call->status != wanted) {
      return With(
          std::move(record), Verdict::kFail,
          fmt::format("{} answered {}, expected {}", name, Answer(*call), StatusWord(wanted)));
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

Record RunRefusalCase(Session& session, const CaseInputs& inputs, Record record) {
  record.rule = "refusal";
  return RunNoCase(session, inputs, ATTEST_REFUSED, std::move(record));
}

Record RunInvalidCase(Session& session, const Case& value, CaseInputs inputs, Record record) {
  record.rule = "invalid";
  for (const auto& [field, number] : value.abi_patch) {
    if (Status status = SetProblemField(inputs.abi, field, number); !status.ok()) {
      return With(std::move(record), Verdict::kMistrusted, status.message());
    }
  }
  return RunNoCase(session, inputs, ATTEST_INVALID_ARGUMENT, std::move(record));
}

}  // namespace

Expectation ExpectationOf(const Claims& claims, const Case& value) {
  if (value.kind == CaseKind::kRefusal) {
    if ((claims.features & value.feature) == 0) return {.expected = true};
    return {.reason = "claims " + DescribeFeatures(value.feature)};
  }
  if (value.kind == CaseKind::kDeterminism && (claims.features & ATTEST_CLAIM_DETERMINISTIC) == 0) {
    return {.reason = "does not claim deterministic"};
  }
  const ScopeAnswer scope = ScopeOf(claims, value.problem);
  return {.expected = scope.scope == ClaimScope::kInside, .reason = scope.reason};
}

Record RunCase(Session& session, const Case& value, const RunOptions& options) {
  Record record = NewRecord(value, session, options.seed);
  Result<CaseInputs> inputs = BuildInputs(value, options.seed);
  if (!inputs.ok()) return With(std::move(record), Verdict::kMistrusted, inputs.status().message());
  switch (value.kind) {
    case CaseKind::kRefusal:
      return RunRefusalCase(session, *inputs, std::move(record));
    case CaseKind::kInvalid:
      return RunInvalidCase(session, value, std::move(*inputs), std::move(record));
    case CaseKind::kWriteKv:
    case CaseKind::kMerge:
    case CaseKind::kCascade:
    case CaseKind::kNeighbours:
    case CaseKind::kBatchInvariance:
    case CaseKind::kChunkInvariance:
      return With(std::move(record), Verdict::kMistrusted, "no judge for this kind of case");
    case CaseKind::kForward:
    case CaseKind::kDeterminism:
      break;
  }
  return RunForwardCase(session, value, *inputs, options, std::move(record));
}

}  // namespace attest
