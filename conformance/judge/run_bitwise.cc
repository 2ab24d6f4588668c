// SPDX-License-Identifier: Apache-2.0
//
// Determinism and invariance: spec/clauses/determinism.md. One call that the oracle accepts, and
// then calls that must give the same bits.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "conformance/judge/bits.h"
#include "conformance/judge/rearrange.h"
#include "conformance/judge/run_call.h"
#include "conformance/judge/run_kinds.h"

namespace attest {
namespace {

constexpr std::uint64_t kOtherSeed = 0x5EEDED0123456789ULL;  // of contents that must not matter
constexpr std::size_t kRequestsChosen = 3;
constexpr int kCrowd = 8;

// The first, a middle and the last of the requests that have rows.
std::vector<std::size_t> ChosenRequests(const Problem& problem) {
  std::vector<std::size_t> with_rows;
  for (std::size_t r = 0; r < problem.requests.size(); ++r) {
    if (problem.requests[r].q_len > 0) with_rows.push_back(r);
  }
  if (with_rows.size() <= kRequestsChosen) return with_rows;
  return {with_rows.front(), with_rows[with_rows.size() / 2], with_rows.back()};
}

// Rows of request `request`, which is number `place` of `other`.
void AddPairs(const Problem& problem, std::size_t request, const Problem& other, std::size_t place,
              std::vector<RowPair>& pairs) {
  const std::int64_t first = FirstTokens(problem)[request];
  const std::int64_t other_first = FirstTokens(other)[place];
  for (std::int64_t row = 0; row < problem.requests[request].q_len; ++row) {
    pairs.push_back({static_cast<int>(request), row, first + row, other_first + row});
  }
}

// Calls that are compared with the first one.
class Repeats {
 public:
  Repeats(Session& session, JudgedForward first)
      : session_(session), first_(std::move(first.image)), record_(std::move(first.record)) {
    record_.rule = "bitwise";
  }

  // Runs `inputs` and compares `rows`. False, and the record finished, where a bit moved or the
  // call failed.
  bool Same(std::string_view how, const Problem& problem, const CaseInputs& inputs,
            const std::vector<RowPair>& rows) {
    Ran ran = Run(how, problem, inputs);
    if (!ran.ok) return false;
    const std::string moved = MovedBits(first_, ran.image, rows);
    if (moved.empty()) return true;
    record_ = With(std::move(record_), Verdict::kFail, fmt::format("{}: {}", how, moved));
    return false;
  }

  // A call whose answer nobody looks at.
  bool Pass(std::string_view how, const Problem& problem, const CaseInputs& inputs) {
    return Run(how, problem, inputs).ok;
  }

  Record Mistrust(const std::string& why) {
    return With(std::move(record_), Verdict::kMistrusted, why);
  }

  Record Done() { return std::move(record_); }

 private:
  Ran Run(std::string_view how, const Problem& problem, const CaseInputs& inputs) {
    Ran ran = RunForward(session_, MultiplyAdds(problem), inputs, record_);
    if (!ran.ok) {
      record_ = std::move(ran.record);
      record_.reason = fmt::format("{}: {}", how, record_.reason);
    }
    return ran;
  }

  Session& session_;
  CallImage first_;
  Record record_;
};

// A variant of a batch: which requests of the case stand in it, and where; the others are fillers.
struct Batch {
  std::string how;
  Problem problem;
  std::vector<std::pair<std::size_t, std::size_t>> kept;  // request of the case, place in `problem`
};

Batch WholeBatch(std::string how, const Problem& problem) {
  Batch batch{.how = std::move(how)};
  std::vector<std::size_t> picks(problem.requests.size());
  for (std::size_t r = 0; r < picks.size(); ++r) {
    picks[r] = r;
    batch.kept.emplace_back(r, r);
  }
  batch.problem = PickRequests(problem, picks);
  return batch;
}

Batch Alone(const Problem& problem, std::size_t request) {
  return {.how = fmt::format("request {} alone", request),
          .problem = PickRequests(problem, {request}),
          .kept = {{request, 0}}};
}

Batch Reversed(const Problem& problem) {
  Batch batch{.how = "requests in the opposite order"};
  std::vector<std::size_t> picks;
  const std::size_t count = problem.requests.size();
  for (std::size_t r = 0; r < count; ++r) {
    batch.kept.emplace_back(r, count - 1 - r);
    picks.push_back(count - 1 - r);
  }
  batch.problem = PickRequests(problem, picks);
  return batch;
}

Request Longer(const Problem& problem, const Request& request, std::int64_t by) {
  const bool encoder = problem.attention_type == AttentionType::kEncoderOnly;
  return {.q_len = request.q_len + (encoder ? by : 0), .seq_len = request.seq_len + by};
}

// Neighbours twice as long and more, so that what depends on the longest or on the sum changes.
Batch AmongLonger(const Problem& problem, std::size_t request) {
  Batch batch = WholeBatch(fmt::format("request {} among longer ones", request), problem);
  batch.kept = {{request, request}};
  for (std::size_t r = 0; r < problem.requests.size(); ++r) {
    if (r == request) continue;
    batch.problem.requests[r] = Longer(problem, problem.requests[r],
                                       MaxSeqLen(problem) + 17 * static_cast<std::int64_t>(r + 1));
  }
  return batch;
}

Batch InACrowd(const Problem& problem, std::size_t request) {
  std::vector<std::size_t> picks(kCrowd + 1, request);
  Batch batch{.how = fmt::format("request {} among {} short ones", request, kCrowd),
              .problem = PickRequests(problem, picks)};
  constexpr std::size_t kPlace = 3;
  batch.kept = {{request, kPlace}};
  for (std::size_t i = 0; i < picks.size(); ++i) {
    const auto length = static_cast<std::int64_t>(1 + i);
    if (i != kPlace) batch.problem.requests[i] = {.q_len = length, .seq_len = length};
  }
  // Ranges of the fillers lie outside their few keys.
  std::erase_if(batch.problem.prefix_ranges, [](const PrefixRange& range) {
    return range.request != static_cast<std::int64_t>(kPlace);
  });
  if (batch.problem.prefix_ranges.empty()) batch.problem.prefix_clamped = false;
  return batch;
}

Batch Roomier(const Problem& problem) {
  Batch batch = WholeBatch("with more padding, a wider table and larger bounds", problem);
  batch.problem.padding_tokens += 5;
  if (problem.uses_paged_kv()) batch.problem.block_table_extra += 3;
  batch.problem.max_seq_len_slack += 4097;
  batch.problem.max_query_len_slack += 129;
  return batch;
}

std::vector<Batch> BatchesOf(const Problem& problem) {
  std::vector<Batch> batches;
  if (problem.uses_paged_kv()) batches.push_back(WholeBatch("on other pages", problem));
  batches.push_back(Roomier(problem));
  if (problem.requests.size() > 1) batches.push_back(Reversed(problem));
  for (const std::size_t request : ChosenRequests(problem)) {
    if (problem.requests.size() > 1) {
      batches.push_back(Alone(problem, request));
      batches.push_back(AmongLonger(problem, request));
    }
    batches.push_back(InACrowd(problem, request));
  }
  return batches;
}

Result<CaseInputs> BuildBatch(const Case& value, const CaseInputs& inputs, const Batch& batch,
                              std::uint64_t seed) {
  Case other = value;
  other.problem = batch.problem;
  Result<CaseInputs> built = BuildInputs(other, seed ^ kOtherSeed);
  if (!built.ok()) return built;
  CopyGlobals(inputs.image, built->image);
  for (const auto& [request, place] : batch.kept) {
    CopyRequest(inputs.image, {value.problem, request}, built->image, {batch.problem, place});
  }
  return built;
}

using Cut = std::int64_t (*)(std::int64_t q_len);
constexpr Cut kCuts[] = {
    [](std::int64_t q_len) { return q_len / 2; },
    [](std::int64_t q_len) { return std::min<std::int64_t>(1, q_len); },
    [](std::int64_t q_len) { return std::max<std::int64_t>(0, q_len - 1); },
    [](std::int64_t q_len) { return q_len * 3 / 7; },
};

// [0, cut) of every request, or the rest.
std::vector<Chunk> ChunksOf(const Problem& problem, Cut cut, bool head) {
  std::vector<Chunk> chunks;
  for (const Request& request : problem.requests) {
    const std::int64_t at = cut(request.q_len);
    chunks.push_back(head ? Chunk{0, at} : Chunk{at, request.q_len});
  }
  return chunks;
}

}  // namespace

Record RunDeterminismCase(Session& session, const Case& value, const CaseInputs& inputs,
                          const RunOptions& options, Record record) {
  JudgedForward first = JudgeForward(session, value, inputs, options, std::move(record));
  if (!first.passed) return std::move(first.record);
  Repeats repeats(session, std::move(first));
  const std::vector<RowPair> rows = AllRowPairs(value.problem);
  const auto same = [&](std::string_view how) {
    return repeats.Same(how, value.problem, inputs, rows);
  };
  if (!same("the same call again")) return repeats.Done();
  const Result<CaseInputs> other = BuildInputs(value, options.seed ^ kOtherSeed);
  if (!other.ok()) return repeats.Mistrust(other.status().message());
  if (!repeats.Pass("another call in between", value.problem, *other)) return repeats.Done();
  if (!same("the same call after another one")) return repeats.Done();
  session.StartAfresh();
  same("the same call in another process");
  return repeats.Done();
}

Record RunNeighboursCase(Session& session, const Case& value, const CaseInputs& inputs,
                         const RunOptions& options, Record record) {
  const Problem& problem = value.problem;
  const Result<CaseInputs> other = BuildInputs(value, options.seed ^ kOtherSeed);
  if (!other.ok()) return With(std::move(record), Verdict::kMistrusted, other.status().message());
  JudgedForward first = JudgeForward(session, value, inputs, options, std::move(record));
  if (!first.passed) return std::move(first.record);
  Repeats repeats(session, std::move(first));
  for (const std::size_t kept : ChosenRequests(problem)) {
    CaseInputs changed = inputs;
    for (std::size_t r = 0; r < problem.requests.size(); ++r) {
      if (r != kept) CopyContents(other->image, {problem, r}, changed.image, {problem, r});
    }
    std::vector<RowPair> rows;
    AddPairs(problem, kept, problem, kept, rows);
    const std::string how = fmt::format("other contents in all requests but {}", kept);
    if (!repeats.Same(how, problem, changed, rows)) break;
  }
  return repeats.Done();
}

Record RunBatchInvarianceCase(Session& session, const Case& value, const CaseInputs& inputs,
                              const RunOptions& options, Record record) {
  JudgedForward first = JudgeForward(session, value, inputs, options, std::move(record));
  if (!first.passed) return std::move(first.record);
  Repeats repeats(session, std::move(first));
  for (const Batch& batch : BatchesOf(value.problem)) {
    const Result<CaseInputs> built = BuildBatch(value, inputs, batch, options.seed);
    if (!built.ok()) {
      return repeats.Mistrust(fmt::format("{}: {}", batch.how, built.status().message()));
    }
    std::vector<RowPair> rows;
    for (const auto& [request, place] : batch.kept) {
      AddPairs(value.problem, request, batch.problem, place, rows);
    }
    if (!repeats.Same(batch.how, batch.problem, *built, rows)) break;
  }
  return repeats.Done();
}

Record RunChunkInvarianceCase(Session& session, const Case& value, const CaseInputs& inputs,
                              const RunOptions& options, Record record) {
  const Problem& problem = value.problem;
  JudgedForward first = JudgeForward(session, value, inputs, options, std::move(record));
  if (!first.passed) return std::move(first.record);
  Repeats repeats(session, std::move(first));
  const std::vector<std::int64_t> tokens = FirstTokens(problem);
  for (const Cut cut : kCuts) {
    for (const bool head : {true, false}) {
      const std::vector<Chunk> chunks = ChunksOf(problem, cut, head);
      Problem chunked;
      const CaseInputs taken = TakeChunks(inputs, problem, chunks, chunked);
      if (taken.abi.num_actual_tokens == 0) continue;
      std::vector<RowPair> rows;
      for (std::size_t r = 0; r < chunks.size(); ++r) {
        const std::int64_t place = FirstTokens(chunked)[r];
        for (std::int64_t row = chunks[r].first; row < chunks[r].last; ++row) {
          rows.push_back(
              {static_cast<int>(r), row, tokens[r] + row, place + row - chunks[r].first});
        }
      }
      const std::string how = fmt::format("{} chunk, request 0 cut at row {}",
                                          head ? "first" : "last", cut(problem.requests[0].q_len));
      if (!repeats.Same(how, chunked, taken, rows)) return repeats.Done();
    }
  }
  return repeats.Done();
}

}  // namespace attest
