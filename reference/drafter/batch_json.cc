// SPDX-License-Identifier: Apache-2.0
#include "reference/drafter/batch_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "spec/vocabulary/json_object.h"
#include "spec/vocabulary/json_text.h"

namespace attest::drafter {
namespace {

using Json = nlohmann::ordered_json;
using Table = std::vector<std::vector<std::int64_t>>;

Table ReadTable(JsonObject& object, std::string_view key) {
  Table table;
  const Json* rows = object.Required(key);
  if (rows == nullptr) return table;
  if (!rows->is_array()) {
    object.Fail(key, "not a list of lists");
    return table;
  }
  for (std::size_t r = 0; r < rows->size(); ++r) {
    const std::string at = fmt::format("{}[{}]", key, r);
    const Json row = {{at, (*rows)[r]}};
    JsonObject reader(row, "");
    table.push_back(reader.Integers(at));
    if (const Status status = reader.Done(); !status.ok())
      object.Fail(at, "not a list of integers");
  }
  return table;
}

// Null is as good as absent.
bool IsThere(JsonObject& object, std::string_view key) {
  const Json* value = object.Optional(key);
  return value != nullptr && !value->is_null();
}

std::int64_t IntegerOr(JsonObject& object, std::string_view key, std::int64_t missing) {
  return IsThere(object, key) ? object.Integer(key) : missing;
}

bool BoolOr(JsonObject& object, std::string_view key, bool missing) {
  return IsThere(object, key) ? object.Bool(key) : missing;
}

std::vector<std::int64_t> IntegersOr(JsonObject& object, std::string_view key,
                                     std::vector<std::int64_t> missing) {
  return IsThere(object, key) ? object.Integers(key) : std::move(missing);
}

Result<Accepted> ReadSampled(const Json& json, std::string path) {
  JsonObject object(json, std::move(path));
  const SampledTokens sampled{.token_ids = ReadTable(object, "token_ids"),
                              .num_draft_tokens = object.Integers("num_draft_tokens"),
                              .backup_token_ids = object.Integers("backup_token_ids"),
                              .discarded = IntegersOr(object, "discarded", {}),
                              .vocab_size = object.Integer("vocab_size")};
  if (Status status = object.Done(); !status.ok()) return status;
  return AcceptedOf(sampled);
}

// Either "sampled", or the two tensors that follow from it.
Status ReadTokens(JsonObject& object, DraftBatch& batch) {
  if (!IsThere(object, "sampled")) {
    batch.num_rejected_tokens = IntegersOr(object, "num_rejected_tokens", {});
    batch.next_token_ids = object.Integers("next_token_ids");
    return {};
  }
  for (const std::string_view key : {"num_rejected_tokens", "next_token_ids"}) {
    if (object.Has(key)) object.Fail(key, "follows from \"sampled\"; give one of the two");
  }
  Result<Accepted> accepted = ReadSampled(*object.Optional("sampled"), "sampled");
  if (!accepted.ok()) return accepted.status();
  batch.num_rejected_tokens = accepted->num_rejected_tokens;
  batch.next_token_ids = accepted->next_token_ids;
  return {};
}

Status ReadParallel(JsonObject& object, DraftBatch& batch) {
  if (!IsThere(object, "context_parallel")) return {};
  JsonObject parallel(*object.Optional("context_parallel"), "context_parallel");
  batch.context_parallel = {.size = parallel.Integer("size"),
                            .rank = parallel.Integer("rank"),
                            .interleave = IntegerOr(parallel, "interleave", 1)};
  return parallel.Done();
}

Result<BufferLimits> ReadLimits(const Json& json, std::int64_t num_speculative_tokens) {
  static constexpr std::int64_t kMost = std::int64_t{1} << 24;
  JsonObject object(json, "limits");
  BufferLimits limits{
      .max_num_seqs = object.Integer("max_num_seqs"),
      .max_num_batched_tokens = object.Integer("max_num_batched_tokens"),
      .num_speculative_tokens = IntegerOr(object, "num_speculative_tokens", num_speculative_tokens),
      .captured_sizes = IntegersOr(object, "captured_sizes", {})};
  const auto within = [&object](std::string_view key, std::int64_t value) {
    if (value < 1 || value > kMost) object.Fail(key, fmt::format("not from 1 to {}", kMost));
  };
  within("max_num_seqs", limits.max_num_seqs);
  within("max_num_batched_tokens", limits.max_num_batched_tokens);
  within("num_speculative_tokens", limits.num_speculative_tokens);
  const std::vector<std::int64_t>& sizes = limits.captured_sizes;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    within(fmt::format("captured_sizes[{}]", i), sizes[i]);
    if (i > 0 && sizes[i] <= sizes[i - 1]) {
      object.Fail(fmt::format("captured_sizes[{}]", i), "captured sizes rise");
    }
  }
  if (Status status = object.Done(); !status.ok()) return status;
  return limits;
}

std::vector<std::int64_t> Counting(std::size_t size) {
  std::vector<std::int64_t> numbers(size);
  for (std::size_t i = 0; i < size; ++i) numbers[i] = static_cast<std::int64_t>(i);
  return numbers;
}

// Order of reading is the order in which problems are reported.
Status ReadBatch(JsonObject& object, DraftBatch& batch) {
  batch.num_speculative_tokens = object.Integer("num_speculative_tokens");
  batch.sample_from_anchor = BoolOr(object, "sample_from_anchor", false);
  batch.block_size = object.Integer("block_size");
  batch.max_model_len = object.Integer("max_model_len");
  batch.mask_token_id = object.Integer("mask_token_id");
  batch.causal = BoolOr(object, "causal", false);
  batch.query_start_loc = object.Integers("query_start_loc");
  batch.positions = object.Integers("positions");
  batch.seq_lens = object.Integers("seq_lens");
  batch.seq_lens_upper_bound = IntegersOr(object, "seq_lens_upper_bound", batch.seq_lens);
  const std::vector<std::int64_t>& upper = batch.seq_lens_upper_bound;
  batch.max_seq_len = IntegerOr(object, "max_seq_len",
                                upper.empty() ? 0 : *std::max_element(upper.begin(), upper.end()));
  batch.block_table = ReadTable(object, "block_table");
  if (Status status = ReadTokens(object, batch); !status.ok()) return status;
  batch.request_slots = IntegersOr(object, "request_slots", Counting(batch.seq_lens.size()));
  batch.max_num_reqs = IntegerOr(object, "max_num_reqs", batch.num_reqs());
  batch.num_tokens_padded = IntegerOr(object, "num_tokens_padded", 0);
  batch.null_block_padding = BoolOr(object, "null_block_padding", true);
  return ReadParallel(object, batch);
}

}  // namespace

Result<BatchRequest> BatchFromJson(const Json& json, Runner runner) {
  if (!json.is_object()) return BadInput(": not an object");
  JsonObject object(json, "");
  BatchRequest request;
  if (Status status = ReadBatch(object, request.batch); !status.ok()) return status;
  const Json* limits = object.Optional("limits");
  if (Status status = object.Done(); !status.ok()) return status;
  if (Status status = Validate(request.batch, runner); !status.ok()) return status;
  if (limits == nullptr || limits->is_null()) return request;
  Result<BufferLimits> read = ReadLimits(*limits, request.batch.num_speculative_tokens);
  if (!read.ok()) return read.status();
  request.limits = std::move(*read);
  return request;
}

Result<BatchRequest> ParseBatch(std::string_view filename, std::string_view text, Runner runner) {
  const Result<Json> json = ParseJson(filename, text);
  if (!json.ok()) return json.status();
  Result<BatchRequest> request = BatchFromJson(*json, runner);
  if (!request.ok()) return WithPlace(filename, text, request.status());
  return request;
}

Json ToJson(const BatchRequest& request) {
  const DraftBatch& batch = request.batch;
  Json json = {{"num_speculative_tokens", batch.num_speculative_tokens},
               {"sample_from_anchor", batch.sample_from_anchor},
               {"block_size", batch.block_size},
               {"max_model_len", batch.max_model_len},
               {"mask_token_id", batch.mask_token_id},
               {"causal", batch.causal},
               {"query_start_loc", batch.query_start_loc},
               {"positions", batch.positions},
               {"seq_lens", batch.seq_lens},
               {"seq_lens_upper_bound", batch.seq_lens_upper_bound},
               {"max_seq_len", batch.max_seq_len},
               {"block_table", batch.block_table},
               {"num_rejected_tokens", nullptr},
               {"next_token_ids", batch.next_token_ids},
               {"request_slots", batch.request_slots},
               {"max_num_reqs", batch.max_num_reqs},
               {"num_tokens_padded", batch.num_tokens_padded},
               {"null_block_padding", batch.null_block_padding},
               {"context_parallel",
                {{"size", batch.context_parallel.size},
                 {"rank", batch.context_parallel.rank},
                 {"interleave", batch.context_parallel.interleave}}}};
  if (!batch.num_rejected_tokens.empty()) json["num_rejected_tokens"] = batch.num_rejected_tokens;
  if (!request.limits) return json;
  json["limits"] = {{"max_num_seqs", request.limits->max_num_seqs},
                    {"max_num_batched_tokens", request.limits->max_num_batched_tokens},
                    {"num_speculative_tokens", request.limits->num_speculative_tokens},
                    {"captured_sizes", request.limits->captured_sizes}};
  return json;
}

Json ToJson(const DraftInputs& inputs, Runner runner) {
  Json json = {{"num_reqs", inputs.num_reqs},
               {"num_actual_tokens", inputs.num_actual_tokens},
               {"max_query_len", inputs.max_query_len},
               {"max_seq_len", inputs.max_seq_len},
               {"causal", inputs.causal},
               {"input_ids", inputs.input_ids},
               {"positions", inputs.positions},
               {"slot_mapping", inputs.slot_mapping},
               {"context_positions", inputs.context_positions},
               {"context_slots", inputs.context_slots},
               {"token_indices_to_sample", inputs.token_indices_to_sample},
               {"query_start_loc", inputs.query_start_loc},
               {"seq_lens", inputs.seq_lens},
               {"seq_lens_upper_bound", inputs.seq_lens_upper_bound},
               {"drafting_runs", inputs.drafting_runs}};
  if (runner == Runner::kR2) {
    json["sample_positions"] = inputs.sample_positions;
    json["sample_idx_mapping"] = inputs.sample_idx_mapping;
  }
  return json;
}

Json BufferReport(const BatchRequest& request, Era era) {
  if (!request.limits) return nullptr;
  const DraftBatch& batch = request.batch;
  // Before E5 the query buffers were made without asking for captured sizes.
  const std::vector<Buffer> buffers = BuffersOf(*request.limits, era >= Era::kE5);
  const std::int64_t rows = batch.num_reqs() * batch.rows_per_request();
  Json json;
  for (const Buffer& buffer : buffers) json["lengths"][std::string(buffer.name)] = buffer.length;
  json["num_tokens_padded"] = PaddedTokens(*request.limits, rows);
  json["does_not_fit"] = WhyStepDoesNotFit(buffers, *request.limits, rows);
  return json;
}

Json PreparedJson(const BatchRequest& request, Runner runner, Era era) {
  Json json = ToJson(PrepareInputs(request.batch, runner), runner);
  if (request.limits) json["buffers"] = BufferReport(request, era);
  return json;
}

}  // namespace attest::drafter
