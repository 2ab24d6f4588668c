// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/run_case.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conformance/judge/cascade.h"
#include "conformance/judge/run_call.h"
#include "conformance/judge/run_kinds.h"

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

// What a kind needs beside its problem; 0: nothing.
std::uint64_t ClaimOf(CaseKind kind) {
  switch (kind) {
    case CaseKind::kDeterminism:
    case CaseKind::kNeighbours:
      return ATTEST_CLAIM_DETERMINISTIC;
    case CaseKind::kWriteKv:
      return ATTEST_CLAIM_WRITE_KV;
    case CaseKind::kMerge:
    case CaseKind::kCascade:
      return ATTEST_CLAIM_MERGE;
    case CaseKind::kBatchInvariance:
    case CaseKind::kServingLoop:
      return ATTEST_CLAIM_BATCH_INVARIANT;
    case CaseKind::kCopyToPersistent:
      return ATTEST_CLAIM_COPY_TO_PERSISTENT;
    case CaseKind::kChunkInvariance:
      return ATTEST_CLAIM_CHUNK_INVARIANT;
    case CaseKind::kForward:
    case CaseKind::kRefusal:
    case CaseKind::kInvalid:
    case CaseKind::kAfterOthers:
    case CaseKind::kGraph:
      break;
  }
  return 0;
}

Expectation Inside(const Claims& claims, const Problem& problem) {
  const ScopeAnswer scope = ScopeOf(claims, problem);
  return {.expected = scope.scope == ClaimScope::kInside, .reason = scope.reason};
}

// Clauses of the LSE alone: NUM-02 its bound, the others its value.
constexpr std::array<std::string_view, 4> kLseClauses = {"NUM-02", "SOFT-02", "SOFT-04", "SOFT-07"};

// Kinds whose LSE is an input or a part of the point, and flags that a case sets by number.
bool NeedsItsLse(const Case& value) {
  return value.kind == CaseKind::kMerge || value.kind == CaseKind::kCascade ||
         value.kind == CaseKind::kInvalid || value.feature == ATTEST_CLAIM_LSE;
}

}  // namespace

Case AsAskedOf(const Claims& claims, Case value) {
  if ((claims.features & ATTEST_CLAIM_LSE) != 0 || !value.problem.lse || NeedsItsLse(value)) {
    return value;
  }
  std::vector<std::string> clauses;
  std::copy_if(value.clauses.begin(), value.clauses.end(), std::back_inserter(clauses),
               [](const std::string& clause) {
                 return std::find(kLseClauses.begin(), kLseClauses.end(), clause) ==
                        kLseClauses.end();
               });
  if (clauses.empty()) return value;
  value.problem.lse = false;
  value.clauses = std::move(clauses);
  return value;
}

std::vector<Case> AsAskedOf(const Claims& claims, const std::vector<Case>& cases) {
  std::vector<Case> asked;
  asked.reserve(cases.size());
  for (const Case& value : cases) asked.push_back(AsAskedOf(claims, value));
  return asked;
}

Expectation ExpectationOf(const Claims& claims, const Case& written) {
  const Case value = AsAskedOf(claims, written);
  if (value.kind == CaseKind::kRefusal) {
    if ((claims.features & value.feature) == 0) return {.expected = true};
    return {.reason = "claims " + DescribeFeatures(value.feature)};
  }
  const std::uint64_t claim = ClaimOf(value.kind);
  if ((claims.features & claim) != claim) {
    return {.reason = "does not claim " + DescribeFeatures(claim)};
  }
  if (value.kind == CaseKind::kCopyToPersistent) return {.expected = true};  // computes nothing
  if (value.kind == CaseKind::kGraph && claims.graph_level < GraphLevelOf(value)) {
    return {.reason = claims.graph_level == ATTEST_GRAPH_NONE
                          ? "does not claim graphs"
                          : "does not claim graphs of such steps"};
  }
  Expectation expectation = Inside(claims, value.problem);
  if (value.kind != CaseKind::kCascade || !expectation.expected) return expectation;
  return Inside(claims, PrefixProblem(value.problem));
}

Record RunCase(Session& session, const Case& written, const RunOptions& options) {
  const Case value = AsAskedOf(session.claims(), written);
  Record record = NewRecord(value, session, options.seed);
  if (value.kind == CaseKind::kWriteKv) {
    return RunWriteKvCase(session, value, options, std::move(record));
  }
  if (value.kind == CaseKind::kMerge) {
    return RunMergeCase(session, value, options, std::move(record));
  }
  if (value.kind == CaseKind::kGraph) {
    return RunGraphCase(session, value, options, std::move(record));
  }
  if (value.kind == CaseKind::kCopyToPersistent) {
    return RunCopyToPersistentCase(session, value, options, std::move(record));
  }
  if (value.kind == CaseKind::kServingLoop) {
    return RunServingLoopCase(session, value, options, std::move(record));
  }
  Result<CaseInputs> inputs = BuildInputs(value, options.seed);
  if (!inputs.ok()) return With(std::move(record), Verdict::kMistrusted, inputs.status().message());
  switch (value.kind) {
    case CaseKind::kRefusal:
      return RunRefusalCase(session, value, *inputs, std::move(record));
    case CaseKind::kInvalid:
      return RunInvalidCase(session, value, std::move(*inputs), std::move(record));
    case CaseKind::kDeterminism:
      return RunDeterminismCase(session, value, *inputs, options, std::move(record));
    case CaseKind::kNeighbours:
      return RunNeighboursCase(session, value, *inputs, options, std::move(record));
    case CaseKind::kBatchInvariance:
      return RunBatchInvarianceCase(session, value, *inputs, options, std::move(record));
    case CaseKind::kChunkInvariance:
      return RunChunkInvarianceCase(session, value, *inputs, options, std::move(record));
    case CaseKind::kCascade:
      return RunCascadeCase(session, value, *inputs, options, std::move(record));
    case CaseKind::kAfterOthers:
      return RunAfterOthersCase(session, value, *inputs, options, std::move(record));
    case CaseKind::kForward:
    case CaseKind::kWriteKv:
    case CaseKind::kMerge:
    case CaseKind::kGraph:
    case CaseKind::kCopyToPersistent:
    case CaseKind::kServingLoop:
      break;
  }
  return JudgeForward(session, value, *inputs, options, std::move(record)).record;
}

}  // namespace attest
