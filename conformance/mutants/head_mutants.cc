// SPDX-License-Identifier: Apache-2.0
//
// Wrong head maps and head sizes.
#include <algorithm>
#include <bit>

#include "conformance/mutants/attention.h"

namespace attest {
namespace {

constexpr std::int64_t kRowTile = 16;   // packed rows (token, head of a group) in a tile
constexpr std::int64_t kGroupTile = 4;  // query heads of a group that one work item takes

// The last token of a tile by a division that rounds down.
void BoundPackedRows(const Call& call, const Row& row, Terms& terms) {
  const std::int64_t group = call.group();
  const std::int64_t packed = row.index * group + row.head % group;
  const std::int64_t end = std::min((packed / kRowTile + 1) * kRowTile, row.q_len * group);
  const std::int64_t last_token = end / group - 1;
  if (terms.causal && row.index > last_token) terms.causal_reach = last_token - row.index;
}

void CutToKeyWidth(const Call& call, const Row& /*row*/, const std::vector<Scored>& /*scores*/,
                   Answer& answer) {
  for (auto d = static_cast<std::size_t>(call.problem.head_dim_qk); d < answer.out.size(); ++d) {
    answer.out[d] = 0.0;
  }
}

// Output rows as far apart as keys are wide, where that is wider than a value.
std::int64_t OffsetByKeyWidth(const Call& call, const Row& row, std::int64_t column) {
  const attest_tensor_t& out = call.args.out;
  const std::int64_t token = row.start + row.index;
  if (call.problem.head_dim_qk <= call.problem.head_dim_v) {
    return OffsetOf(out, {token, row.head, column});
  }
  return OffsetOf(out, {token}) + (row.head * call.problem.head_dim_qk + column) * out.strides[2];
}

}  // namespace

std::vector<Mutant> HeadMutants() {
  return {
      {.id = "head-interleaved",
       .bug_class = "head-mapping-dims",
       .clause = "HEAD-01",
       .hooks = {.row = [](const Call& call,
                           Row& row) { row.kv_head = row.head % call.problem.num_kv_heads; }}},
      {.id = "head-identity",
       .bug_class = "head-mapping-dims",
       .clause = "HEAD-01",
       .bug = "tgi-kv-heads-wrong-attr",
       .hooks = {.row =
                     [](const Call& call, Row& row) {
                       row.kv_head =
                           std::min<std::int64_t>(row.head, call.problem.num_kv_heads - 1);
                     }}},
      {.id = "heads-as-rows",
       .bug_class = "sliding-window",
       .clause = "HEAD-02",
       .bug = "xf-mqa-trick-window",
       .hooks = {.terms =
                     [](const Call& call, const Row& row, Terms& terms) {
                       if (call.problem.window_left == 0 || row.q_len == 0) return;
                       const std::int64_t group = call.group();
                       terms.left_from += row.index * group + row.head % group - row.index;
                     }}},
      {.id = "group-scores-shared",
       .bug_class = "head-mapping-dims",
       .clause = "HEAD-02",
       .sentence = "all query heads of a group have the scores of the first",
       .reference = "kept as a standard mutation",
       .hooks = {.query_offset =
                     [](const Call& call, const Row& row, std::int64_t column) {
                       const std::int64_t first = row.head / call.group() * call.group();
                       return OffsetOf(call.args.query, {row.token, first, column});
                     }}},
      {.id = "packed-group-bound",
       .bug_class = "causal-alignment",
       .clause = "HEAD-03",
       .bug = "fi-gqa-nonpow2-causal-tile-bound",
       .hooks = {.terms = BoundPackedRows}},
      {.id = "group-tail-missing",
       .bug_class = "head-mapping-dims",
       .clause = "HEAD-03",
       .bug = "fi-trtllmgen-tileq-smaller-than-group",
       .hooks = {.writes = [](const Call& call,
                              const Row& row) { return row.head % call.group() < kGroupTile; }}},
      {.id = "value-width-from-key",
       .bug_class = "selector-capability",
       .clause = "HEAD-04",
       .bug = "ggml-fa-dv-neq-dk-accepted",
       .hooks = {.finish = CutToKeyWidth, .out_offset = OffsetByKeyWidth, .whole_call = true}},
      {.id = "last-column-not-scored",
       .bug_class = "head-mapping-dims",
       .clause = "HEAD-05",
       .sentence = "the last column of query and key does not enter the score",
       .reference = "kept as a standard mutation",
       .hooks = {.score_columns = [](const Call& call) -> std::int64_t {
         return call.problem.head_dim_qk - 1;
       }}},
      {.id = "last-column-zero",
       .bug_class = "head-mapping-dims",
       .clause = "HEAD-05",
       .sentence = "the last column of the output is 0",
       .reference = "kept as a standard mutation",
       .hooks = {.finish = [](const Call&, const Row&, const std::vector<Scored>&,
                              Answer& answer) { answer.out.back() = 0; }}},
      {.id = "head-tail-dropped",
       .bug_class = "head-mapping-dims",
       .clause = "HEAD-05",
       .hooks = {.score_columns = [](const Call& call) -> std::int64_t {
         return std::bit_floor(static_cast<std::uint32_t>(call.problem.head_dim_qk));
       }}},
  };
}

}  // namespace attest
