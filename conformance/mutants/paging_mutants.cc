// SPDX-License-Identifier: Apache-2.0
//
// Wrong pages, lengths and rows of packed tokens.
#include <algorithm>
#include <cmath>

#include "conformance/mutants/attention.h"

namespace attest {
namespace {

std::int64_t RoundUp(std::int64_t value, std::int64_t unit) {
  return (value + unit - 1) / unit * unit;
}

Place PageOf(std::int64_t page, std::int64_t slot) {
  return page < 0 ? Place{-1, -1} : Place{page, slot};
}

// A key tile is two pages long; the table is read once for the values of both.
Place ValueFromFirstHalf(const Call& call, const Row& row, std::int64_t key, Side side) {
  if (side == Side::kKey || !call.paged()) return PlaceOf(call, row, key);
  const std::int64_t page = key / call.problem.block_size / 2 * 2;
  return PageOf(TableEntry(call, row.table_row, page), key % call.problem.block_size);
}

// Logical page 1 is looked up with the entry of page 0.
Place SecondPageIsFirst(const Call& call, const Row& row, std::int64_t key) {
  const std::int64_t size = call.problem.block_size;
  if (!call.paged() || key / size != 1) return PlaceOf(call, row, key);
  return PlaceOf(call, row, key - size);
}

Place NeighboursOfFirst(const Call& call, const Row& row, std::int64_t key, Side /*side*/) {
  if (!call.paged()) return PlaceOf(call, row, key);
  const std::int64_t first = TableEntry(call, row.table_row, 0);
  const std::int64_t size = call.problem.block_size;
  if (first < 0 || key < 0) return {-1, -1};
  return PageOf(first + key / size, key % size);
}

// The table as if its rows were as wide as the longest request may need.
Place TablePitchFromBound(const Call& call, const Row& row, std::int64_t key, Side /*side*/) {
  if (!call.paged()) return PlaceOf(call, row, key);
  const std::int64_t size = call.problem.block_size;
  const attest_tensor_t& table = call.args.block_table;
  const std::int64_t pitch = RoundUp(call.problem.max_seq_len, size) / size;
  const std::int64_t offset = (row.table_row * pitch + key / size) * table.strides[1];
  if (key < 0 || !InSpan(table, offset)) return {-1, -1};
  std::int32_t page = 0;
  __builtin_memcpy(&page, AtOffset(table, offset), sizeof(page));
  return PageOf(page, key % size);
}

// Positions are split as if pages had 16 tokens.
Place PagesOfSixteen(const Call& call, const Row& row, std::int64_t key, Side /*side*/) {
  constexpr std::int64_t kSize = 16;
  if (!call.paged()) return PlaceOf(call, row, key);
  if (key < 0) return {-1, -1};
  return PageOf(TableEntry(call, row.table_row, key / kSize), key % kSize);
}

// The entry after the live ones is followed: an address out of range poisons the row, one in range
// brings the page's first value in with weight 0.
void FollowEntryAfterTheLast(const Call& call, const Row& row, const std::vector<Scored>& /*keys*/,
                             Answer& answer) {
  if (!call.paged()) return;
  const std::int64_t size = call.problem.block_size;
  const std::int64_t column = RoundUp(row.seq_len, size) / size;
  if (column >= call.args.block_table.shape[1]) return;
  const std::int64_t page = TableEntry(call, row.table_row, column);
  if (page < 0 || page >= call.problem.num_blocks) {
    answer.out.assign(answer.out.size(), std::nan(""));
    return;
  }
  const std::vector<double> value = LoadLine(call, row, column * size, Side::kValue);
  for (std::size_t d = 0; d < answer.out.size(); ++d) answer.out[d] += 0.0 * value[d];
}

bool VisibleOnPageZero(const Call& call, const Row& row, const Terms& terms, std::int64_t key) {
  if (Visible(call, row, terms, key)) return true;
  return call.paged() && key < row.seq_len && PlaceOf(call, row, key).page == 0;
}

// Manager page 0 is taken to be four kernel pages. Its first is dead; the others count where the
// table names them for tokens outside of the window.
bool VisibleOnPagesAfterZero(const Call& call, const Row& row, const Terms& terms,
                             std::int64_t key) {
  if (Visible(call, row, terms, key)) return true;
  if (!call.paged() || key >= row.seq_len || terms.left_from - key <= terms.left) return false;
  const std::int64_t page = PlaceOf(call, row, key).page;
  return page >= 1 && page <= 3;
}

std::int64_t PhysicalSlot(const Call& call, const Row& row, std::int64_t key) {
  const Place place = PlaceOf(call, row, key);
  return place.page * call.problem.block_size + place.slot;
}

bool VisibleByPhysicalOrder(const Call& call, const Row& row, const Terms& terms,
                            std::int64_t key) {
  const bool decoder = call.problem.attention_type == ATTEST_DECODER;
  if (!decoder || row.position < 0 || key < 0) return Visible(call, row, terms, key);
  Terms physical = terms;
  physical.position = physical.left_from = PhysicalSlot(call, row, row.position);
  physical.local_block = 0;
  physical.prefix = physical.tree = physical.custom = false;
  Terms rest = terms;
  rest.causal = false;
  rest.left = rest.right = kNoReach;
  return Visible(call, row, physical, PhysicalSlot(call, row, key)) &&
         Visible(call, row, rest, key);
}

bool VisibleAtItsLastPlace(const Call& call, const Row& row, const Terms& terms, std::int64_t key) {
  if (!Visible(call, row, terms, key)) return false;
  if (!call.paged()) return true;
  const std::int64_t size = call.problem.block_size;
  const std::int64_t page = TableEntry(call, row.table_row, key / size);
  const std::int64_t pages = RoundUp(row.seq_len, size) / size;
  for (std::int64_t later = key / size + 1; later < pages; ++later) {
    if (TableEntry(call, row.table_row, later) == page) return false;
  }
  return true;
}

void LookAtWholePages(const Call& call, const Row& /*row*/, Terms& terms) {
  if (call.paged()) terms.last = RoundUp(terms.last, call.problem.block_size);
}

bool VisibleBelowTheEnd(const Call& call, const Row& row, const Terms& terms, std::int64_t key) {
  return key < row.seq_len && Visible(call, row, terms, key);
}

// The lengths still count up to two tokens that stand in the last page behind the end.
void CountRejectedDrafts(const Call& call, Row& row) {
  if (call.problem.attention_type != ATTEST_DECODER || row.q_len == 0) return;
  const std::int64_t room = RoundUp(row.seq_len, call.problem.block_size) - row.seq_len;
  const std::int64_t drafts = std::min<std::int64_t>(2, room);
  row.seq_len += drafts;
  row.position += drafts;
}

std::vector<Mutant> TableMutants() {
  return {
      {.id = "value-page-stale",
       .bug_class = "block-table-slots",
       .clause = "KV-01",
       .bug = "fi-xqa-v-tile-stale-page",
       .hooks = {.place = ValueFromFirstHalf}},
      {.id = "table-identity",
       .bug_class = "block-table-slots",
       .clause = "KV-01",
       .hooks = {.place = NeighboursOfFirst}},
      {.id = "second-page-is-first",
       .bug_class = "block-table-slots",
       .clause = "KV-01",
       .sentence = "logical page 1 is looked up with the table entry of page 0",
       .reference = "kept as a standard mutation",
       .hooks = {.place = [](const Call& call, const Row& row, std::int64_t key,
                             Side) { return SecondPageIsFirst(call, row, key); }}},
      {.id = "second-page-values-of-first",
       .bug_class = "block-table-slots",
       .clause = "KV-01",
       .sentence = "the values of logical page 1 are those of page 0",
       .reference = "kept as a standard mutation",
       .hooks = {.place =
                     [](const Call& call, const Row& row, std::int64_t key, Side side) {
                       return side == Side::kValue ? SecondPageIsFirst(call, row, key)
                                                   : PlaceOf(call, row, key);
                     }}},
      {.id = "second-page-keys-of-first",
       .bug_class = "block-table-slots",
       .clause = "KV-01",
       .sentence = "the keys of logical page 1 are those of page 0",
       .reference = "kept as a standard mutation",
       .hooks = {.place =
                     [](const Call& call, const Row& row, std::int64_t key, Side side) {
                       return side == Side::kKey ? SecondPageIsFirst(call, row, key)
                                                 : PlaceOf(call, row, key);
                     }}},
      {.id = "table-tail-dereferenced",
       .bug_class = "block-table-slots",
       .clause = "KV-03",
       .bug = "aiter-page-table-prefetch-oob",
       .hooks = {.finish = FollowEntryAfterTheLast}},
      {.id = "table-pitch-assumed",
       .bug_class = "block-table-slots",
       .clause = "KV-04",
       .hooks = {.place = TablePitchFromBound}},
      {.id = "null-page-visible",
       .bug_class = "block-table-slots",
       .clause = "KV-05",
       .hooks = {.visible = VisibleOnPageZero}},
      {.id = "shared-pages-of-first-request",
       .bug_class = "block-table-slots",
       .clause = "KV-08",
       .hooks = {.row =
                     [](const Call& call, Row& row) {
                       if (!call.paged() || row.seq_len == 0) return;
                       const std::int64_t own = TableEntry(call, row.request, 0);
                       for (std::int64_t r = 0; r < row.request; ++r) {
                         if (LoadAt<std::int32_t>(call.args.seq_lens, {r}) == 0) continue;
                         if (TableEntry(call, r, 0) != own) continue;
                         row.table_row = r;
                         return;
                       }
                     }}},
      {.id = "physical-order-mask",
       .bug_class = "block-table-slots",
       .clause = "KV-09",
       .hooks = {.visible = VisibleByPhysicalOrder}},
      {.id = "block-size-mismatch",
       .bug_class = "block-table-slots",
       .clause = "KV-10",
       .hooks = {.place = PagesOfSixteen}},
      {.id = "latest-wins",
       .bug_class = "block-table-slots",
       .clause = "KV-23",
       .hooks = {.visible = VisibleAtItsLastPlace}},
      {.id = "hybrid-null-page-visible",
       .bug_class = "block-table-slots",
       .clause = "KV-24",
       .hooks = {.visible = VisibleOnPagesAfterZero}},
      {.id = "hybrid-pages-unsplit",
       .bug_class = "block-table-slots",
       .clause = "KV-24",
       .sentence = "an odd kernel page is looked for where the even one before it lies",
       .reference = "kept as a standard mutation",
       .hooks = {.place = [](const Call& call, const Row& row, std::int64_t key,
                             Side) { return ValueFromFirstHalf(call, row, key, Side::kValue); }}},
  };
}

std::vector<Mutant> LengthMutants() {
  return {
      {.id = "last-page-skipped",
       .bug_class = "key-row-bounds",
       .clause = "KV-02",
       .hooks = {.terms =
                     [](const Call& call, const Row&, Terms& terms) {
                       if (!call.paged()) return;
                       terms.last = terms.last / call.problem.block_size * call.problem.block_size;
                     }}},
      {.id = "bound-taken-as-length",
       .bug_class = "key-row-bounds",
       .clause = "KV-06",
       .hooks = {.row =
                     [](const Call& call, Row& row) {
                       if (!call.paged()) return;
                       row.position += call.problem.max_seq_len - row.seq_len;
                       row.seq_len = call.problem.max_seq_len;
                     }}},
      {.id = "rejected-drafts-visible",
       .bug_class = "spec-decode-chunked",
       .clause = "KV-07",
       .bug = "trt-kv-lens-drift",
       .hooks = {.row = CountRejectedDrafts}},
      {.id = "masked-value-multiplied",
       .bug_class = "key-row-bounds",
       .clause = "KV-11",
       .bug = "vllm-v-tail-nan",
       .hooks = {.terms = LookAtWholePages,
                 .visible = VisibleBelowTheEnd,
                 .masked =
                     [](const Call&, const Row&, std::int64_t key, std::vector<Scored>& scores) {
                       scores.push_back({key, -std::numeric_limits<double>::infinity()});
                     }}},
      {.id = "masked-score-added",
       .bug_class = "key-row-bounds",
       .clause = "KV-11",
       .hooks = {.terms = LookAtWholePages,
                 .visible = VisibleBelowTheEnd,
                 .masked =
                     [](const Call& call, const Row& row, std::int64_t key,
                        std::vector<Scored>& scores) {
                       const double score =
                           ScoreOf(call, row, key) - std::numeric_limits<double>::infinity();
                       if (std::isnan(score)) scores.push_back({key, score, false});
                     }}},
      {.id = "uniform-query-length",
       .bug_class = "key-row-bounds",
       .clause = "KV-12",
       .hooks = {.row =
                     [](const Call& call, Row& row) {
                       row.token = row.request * call.problem.max_query_len + row.index;
                     }}},
      {.id = "padding-rows-written",
       .bug_class = "key-row-bounds",
       .clause = "KV-13",
       .bug = "ggml-rows-past-nq-written",
       .hooks = {.after =
                     [](const Call& call, const Put& put) {
                       const attest_tensor_t& out = call.args.out;
                       for (std::int64_t t = call.problem.num_actual_tokens; t < out.shape[0];
                            ++t) {
                         for (std::int64_t h = 0; h < out.shape[1]; ++h) {
                           for (std::int64_t d = 0; d < out.shape[2]; ++d) {
                             put(Output::kOut, OffsetOf(out, {t, h, d}), 0.0);
                           }
                         }
                       }
                     }}},
      {.id = "negative-slot-wraps",
       .bug_class = "block-table-slots",
       .clause = "KV-17",
       .bug = "vllm-slot-minus-one-python-index",
       .hooks = {.slot =
                     [](const SlotAsked& asked) {
                       return asked.slot < 0 ? asked.num_slots + asked.slot : asked.slot;
                     },
                 .no_arithmetic = "write_kv: no row is computed"}},
      {.id = "slot-one-late",
       .bug_class = "race-workspace-uninit",
       .clause = "KV-16",
       .sentence = "each token is written one slot late",
       .reference = "vllm-project/vllm-ascend#8435",
       .bug = "ascend-draft-slot-overwrite-async",
       .hooks = {.slot =
                     [](const SlotAsked& asked) {
                       return asked.slot < 0 ? asked.slot : (asked.slot + 1) % asked.num_slots;
                     },
                 .no_arithmetic = "write_kv: no row is computed"}},
  };
}

}  // namespace

std::vector<Mutant> PagingMutants() {
  std::vector<Mutant> mutants = TableMutants();
  const std::vector<Mutant> more = LengthMutants();
  mutants.insert(mutants.end(), more.begin(), more.end());
  return mutants;
}

}  // namespace attest
