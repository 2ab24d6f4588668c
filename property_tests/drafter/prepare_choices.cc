// SPDX-License-Identifier: Apache-2.0
//
// Batches: what the choices of a prepare question mean.
#include <algorithm>
#include <array>
#include <cstddef>

#include "property_tests/drafter/choices.h"

namespace attest::drafter {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kMaskToken = 151669;
constexpr std::int64_t kVocab = 151936;
constexpr int kRequests = 4;

enum Place : std::size_t {
  kRunner,
  kNumRequests,
  kTokens,
  kBlockSize,
  kCausal,
  kSampled,       // as accepted tokens; as what the sampler left; with ids past the vocabulary
  kNoRejections,  // the tensor is not there
  kUpperSlack,
  kTableSlack,  // columns beyond the drafts; fewer than they need
  kNullBlock,
  kOlderBuild,  // null blocks are written
  kModelLen,    // far away; just enough; too short
  kPadding,
  kMaxRequests,
  kRequestSlots,
  kAnchor,
  kParallel,
  kGlobals
};
enum RequestPlace : std::size_t { kContext, kDrafts, kRejected, kChunk, kDiscarded, kPerRequest };

constexpr std::array<int, kGlobals> kGlobalSizes = {1, kRequests, 6, 5, 2, 3, 2, 3, 3,
                                                    4, 2,         3, 4, 3, 2, 2, 5};
constexpr std::array<int, kPerRequest> kRequestSizes = {12, 5, 5, 4, 2};

struct RequestPlan {
  std::int64_t context = 0;
  std::int64_t drafts = 0;
  std::int64_t rejected = 0;
  std::int64_t rows = 1;
  bool discarded = false;
};

class Reader {
 public:
  Reader(const std::vector<int>& values, const Scope& scope) : values_(values), scope_(scope) {}

  int At(Place place) const { return values_[place]; }
  int Of(int request, RequestPlace place) const {
    return values_[kGlobals + static_cast<std::size_t>(request) * kPerRequest + place];
  }
  Runner runner() const { return scope_.runners[static_cast<std::size_t>(At(kRunner))]; }
  bool r2() const { return runner() == Runner::kR2; }
  int num_requests() const { return 1 + At(kNumRequests); }
  // At most 1 draft, then as many as there are.
  std::int64_t tokens() const {
    return std::array<std::int64_t, 6>{1, 3, 2, 0, 7, 15}[static_cast<std::size_t>(At(kTokens))];
  }
  std::int64_t block_size() const {
    return std::array<std::int64_t, 5>{4, 16, 1, 2, 8}[static_cast<std::size_t>(At(kBlockSize))];
  }
  bool anchor() const { return At(kAnchor) == 1 && r2() && tokens() > 0; }
  std::int64_t rows() const { return tokens() + (anchor() ? 0 : 1); }

  RequestPlan Plan(int request) const {
    RequestPlan plan{.context = Of(request, kContext) * (request + 1)};
    plan.drafts = Of(request, kDrafts);
    plan.rejected = std::min<std::int64_t>(Of(request, kRejected), plan.drafts);
    if (At(kNoRejections) == 1 && At(kSampled) == 0) plan.rejected = 0;
    plan.rows = plan.drafts > 0 ? plan.drafts + 1 : 1 + Of(request, kChunk);
    plan.discarded = plan.drafts == 0 && Of(request, kDiscarded) == 1;
    return plan;
  }

 private:
  const std::vector<int>& values_;
  const Scope& scope_;
};

// What the sampler left of the request: accepted drafts, the bonus token, placeholders.
Json SampledRow(const RequestPlan& plan, std::int64_t request, std::int64_t width, bool junk) {
  Json row = Json::array();
  const std::int64_t valid = plan.drafts + 1 - plan.rejected;
  for (std::int64_t i = 0; i < width; ++i) {
    if (i < valid) {
      row.push_back(1000 * (request + 1) + i);
    } else {
      row.push_back(junk ? kVocab + i : -1);
    }
  }
  return row;
}

void AddTokens(const Reader& read, const std::vector<RequestPlan>& plans, Json& batch) {
  if (read.At(kSampled) == 0) {
    Json rejected = Json::array();
    Json next = Json::array();
    for (std::size_t r = 0; r < plans.size(); ++r) {
      rejected.push_back(plans[r].rejected);
      next.push_back(101 * (r + 1));
    }
    if (read.At(kNoRejections) == 0) batch["num_rejected_tokens"] = rejected;
    batch["next_token_ids"] = next;
    return;
  }
  std::int64_t width = 1;
  for (const RequestPlan& plan : plans) width = std::max(width, plan.drafts + 1);
  Json& sampled = batch["sampled"];
  sampled = {{"token_ids", Json::array()},
             {"num_draft_tokens", Json::array()},
             {"backup_token_ids", Json::array()},
             {"discarded", Json::array()},
             {"vocab_size", kVocab}};
  for (std::size_t r = 0; r < plans.size(); ++r) {
    sampled["token_ids"].push_back(
        SampledRow(plans[r], static_cast<std::int64_t>(r), width, read.At(kSampled) == 2));
    sampled["num_draft_tokens"].push_back(plans[r].drafts);
    sampled["backup_token_ids"].push_back(7 + r);
    if (plans[r].discarded) sampled["discarded"].push_back(r);
  }
}

void AddRows(const std::vector<RequestPlan>& plans, Json& batch) {
  Json starts = {0};
  Json positions = Json::array();
  Json lengths = Json::array();
  for (const RequestPlan& plan : plans) {
    for (std::int64_t i = 0; i < plan.rows; ++i) positions.push_back(plan.context + i);
    starts.push_back(positions.size());
    lengths.push_back(plan.context + plan.rows);
  }
  batch["query_start_loc"] = starts;
  batch["positions"] = positions;
  batch["seq_lens"] = lengths;
}

std::int64_t Longest(const std::vector<RequestPlan>& plans) {
  std::int64_t longest = 0;
  for (const RequestPlan& plan : plans) longest = std::max(longest, plan.context + plan.rows);
  return longest;
}

// Pages of a request in no order, none of them the null block unless it is asked for.
void AddTable(const Reader& read, const std::vector<RequestPlan>& plans, Json& batch) {
  constexpr std::int64_t kPages = 1009;
  const std::int64_t needed = Longest(plans) + read.rows();
  std::int64_t columns = (needed + read.block_size() - 1) / read.block_size();
  if (read.At(kTableSlack) == 1) columns += 2;
  if (read.At(kTableSlack) == 2) columns = std::max<std::int64_t>(1, columns - 1);
  Json table = Json::array();
  std::int64_t next = 1;
  for (std::size_t r = 0; r < plans.size(); ++r) {
    Json row = Json::array();
    for (std::int64_t column = 0; column < columns; ++column) row.push_back(next++ * 383 % kPages);
    const int null_block = read.At(kNullBlock);
    if (null_block == 1) row.front() = 0;
    if (null_block == 2) row.back() = 0;
    if (null_block == 3) row[row.size() / 2] = 0;
    table.push_back(row);
  }
  batch["block_table"] = table;
}

void AddBounds(const Reader& read, const std::vector<RequestPlan>& plans, Json& batch) {
  const std::int64_t longest = Longest(plans);
  const int slack = read.At(kUpperSlack);
  if (slack > 0) {
    Json upper = batch["seq_lens"];
    for (std::size_t r = 0; r < upper.size(); ++r) {
      upper[r] = upper[r].get<std::int64_t>() + slack + static_cast<std::int64_t>(r);
    }
    batch["seq_lens_upper_bound"] = upper;
    if (slack == 2) batch["max_seq_len"] = longest + 9;
  }
  const int length = read.At(kModelLen);
  const std::int64_t most = length == 0 ? 40960 : longest + (length == 1 ? read.tokens() + 1 : 1);
  batch["max_model_len"] = most;
}

void AddPadding(const Reader& read, Json& batch) {
  const std::int64_t live = read.num_requests() * read.rows();
  const int padding = read.At(kPadding);
  if (padding > 0 && live > 0) batch["num_tokens_padded"] = live + 2 * (padding - 1);
  if (read.At(kCausal) == 1) batch["causal"] = true;
  if (!read.r2()) return;
  batch["max_num_reqs"] = read.num_requests() + read.At(kMaxRequests);
  if (read.anchor()) batch["sample_from_anchor"] = true;
  if (read.At(kOlderBuild) == 1) batch["null_block_padding"] = false;
  if (read.At(kRequestSlots) == 1) {
    Json slots = Json::array();
    for (int r = 0; r < read.num_requests(); ++r) slots.push_back(9 - 2 * r);
    batch["request_slots"] = slots;
  }
  const int parallel = read.At(kParallel);
  if (parallel == 0) return;
  const std::int64_t interleave = parallel >= 3 && read.block_size() % 2 == 0 ? 2 : 1;
  batch["context_parallel"] = {{"size", 2}, {"rank", parallel % 2}, {"interleave", interleave}};
}

}  // namespace

std::vector<int> PrepareSizes(const Scope& scope) {
  std::vector<int> sizes(kGlobalSizes.begin(), kGlobalSizes.end());
  sizes[kRunner] = static_cast<int>(scope.runners.size());
  for (int request = 0; request < kRequests; ++request) {
    sizes.insert(sizes.end(), kRequestSizes.begin(), kRequestSizes.end());
  }
  return sizes;
}

Question PrepareQuestion(const std::vector<int>& values, const Scope& scope) {
  const Reader read(values, scope);
  std::vector<RequestPlan> plans;
  for (int r = 0; r < read.num_requests(); ++r) plans.push_back(read.Plan(r));
  Question question{.op = Op::kPrepare, .era = scope.eras.front(), .runner = read.runner()};
  Json& batch = question.batch;
  batch = {{"num_speculative_tokens", read.tokens()},
           {"block_size", read.block_size()},
           {"mask_token_id", kMaskToken}};
  AddRows(plans, batch);
  AddBounds(read, plans, batch);
  AddTable(read, plans, batch);
  AddTokens(read, plans, batch);
  AddPadding(read, batch);
  return question;
}

}  // namespace attest::drafter
