// SPDX-License-Identifier: Apache-2.0
//
// Mutant: one deliberately wrong attention, as a value. It is the scalar attention of attention.h
// with small functions put in at named points, so that most mutants are a line or two. A named
// deviation of spec/clauses is the mutant of that name.
//
// Two ways to run one: in this process, unrounded, for chosen lines (in_process.h), and as a
// backend (libattest_mutant.so, selector = id).
#ifndef ATTEST_CONFORMANCE_MUTANTS_MUTANT_H_
#define ATTEST_CONFORMANCE_MUTANTS_MUTANT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "conformance/mutants/elements.h"
#include "spec/abi/attest.h"

namespace attest {

inline constexpr std::int64_t kNoReach = std::int64_t{1} << 50;  // farther than any key

struct Hooks;

// A call that is over, as far as a backend may wrongly keep it.
struct EarlierCall {
  attest_problem_t problem;
  std::vector<std::int32_t> query_start_loc;
  std::vector<std::int32_t> seq_lens;
  std::vector<std::int32_t> table;  // dense, table_width entries a request; empty: not paged
  std::int64_t table_width = 0;
};

// What a backend may wrongly keep from one call to the next. For a run in process: what an earlier
// ordinary call would have left behind.
struct Memory {
  std::optional<double> first_scale;  // of the first call of this shape; empty: head_dim_qk^-0.5
  std::vector<std::byte> mask;        // bytes of an earlier boolean mask; empty: everything visible
  std::uint64_t calls = 0;            // before this one
  std::optional<EarlierCall> first;   // of this shape
  std::optional<EarlierCall> last;    // the one just before, of any shape
};

// One forward call with the hooks of one mutant.
struct Call {
  const attest_problem_t& problem;
  const attest_forward_args_t& args;
  const Hooks& hooks;
  const Memory& memory;

  bool paged() const { return problem.attention_type != ATTEST_ENCODER_ONLY; }
  bool Has(std::uint32_t flag) const { return (problem.flags & flag) != 0; }
  std::int64_t group() const { return problem.num_q_heads / problem.num_kv_heads; }
};

// One query row of one head.
struct Row {
  std::int64_t request = 0;
  std::int64_t index = 0;  // within the request
  std::int64_t start = 0;  // of the request's rows in query
  std::int64_t token = 0;  // row of query that is read
  std::int64_t q_len = 0;
  std::int64_t seq_len = 0;
  std::int64_t position = 0;  // seq_len - q_len + index
  std::int64_t head = 0;      // query head
  std::int64_t kv_head = 0;
  std::int64_t table_row = 0;  // of block_table
};

// The terms of the mask of one row. A key is visible if first <= k < last and it is in the band or
// in a prefix range, and tree and custom mask let it pass.
struct Terms {
  std::int64_t first = 0;  // of the keys that are looked at
  std::int64_t last = 0;
  std::int64_t position = 0;
  std::int64_t causal_reach = kNoReach;  // k <= position + causal_reach
  std::int64_t left = kNoReach;          // position - k <= left
  std::int64_t right = kNoReach;         // k - position <= right
  std::int64_t left_from = 0;            // what `left` is measured from: the position
  std::int64_t local_block = 0;
  std::int64_t local_lookback = 0;
  bool causal = false;
  bool prefix = false;
  bool prefix_clamped = false;
  bool prefix_causal = false;  // ranges end at the position
  bool tree = false;
  bool custom = false;
};

enum class Side : std::uint8_t { kKey, kValue };

// Where a key or value lies. page < 0: row `slot` of this step's packed key or value.
struct Place {
  std::int64_t page = 0;
  std::int64_t slot = 0;
};

struct ScoreParts {
  double scale = 1;
  double softcap = 0;
  double slope = 0;
  double distance = 0;  // |position - k|
  double additive = 0;
};

// A key in the softmax. `with_value` false: it counts in the denominator alone.
struct Scored {
  std::int64_t key = 0;
  double score = 0;
  bool with_value = true;
};

struct SoftmaxRules {
  double sink = -std::numeric_limits<double>::infinity();
  double sink_count = 1;
  std::int64_t phantoms = 0;  // keys of score 0 and value 0
  double maximum_floor = -std::numeric_limits<double>::infinity();
  bool subtract_maximum = true;
  bool float_weights = false;     // weights underflow and overflow where float32 does
  std::int64_t stale_tile = 0;    // > 0: key tiles of this length, output never rescaled
  std::int64_t split = 0;         // > 0: partial states of this many keys, outputs stored in the
  std::int64_t split_origin = 0;  //      output's type, counted from this key
  bool splits_backwards = false;  //      merged from the last one
};

struct Answer {
  std::vector<double> out;
  double lse = -std::numeric_limits<double>::infinity();
  double maximum = 0;
  double denominator = 0;  // relative to e^maximum, sink included
  double sink = -std::numeric_limits<double>::infinity();
  std::int64_t visible = 0;
};

enum class Output : std::uint8_t { kOut, kLse };
// Takes `value` for the element at `offset` (in elements, by the tensor's own strides).
using Put = std::function<void(Output, std::int64_t offset, double value)>;

struct MergeRules {
  double base = 2.718281828459045;  // of the weights of the parts
  bool empty_is_nan = false;
  bool equal_weights = false;
  bool lse_of_largest = false;
  bool multiplies_empty_parts = false;
  bool packed_columns = false;  // parts are read as if no row had a gap behind it
  bool transposed_lse = false;  // the LSE of every part but the first is read as [Hq, T]
  bool spills_columns = false;  // rows are written up to the next power of two
};

struct WriteRules {
  double largest = 0;  // what absmax is divided by; 0: the format's
  bool truncates = false;
  bool overflow_is_nan = false;
  bool multiplies_scale = false;
  bool value_from_key = false;
  bool one_too_many = false;
  bool dense_strides = false;
  bool zero_token_is_nan = false;
  bool only_first_requests = false;  // as many tokens as there are requests
  std::int64_t offset_modulus = 0;   // > 0: offsets wrap there, in elements
};

// An entry of slot_mapping, and what the way to its slot may depend on.
struct SlotAsked {
  std::int64_t slot = 0;
  std::int64_t before = -1;  // the entry before it
  std::int64_t num_slots = 0;
  std::int64_t block_size = 1;
};

// What is wrong with a graph whose eager calls are right: graph.h says what the faithful one does.
enum class GraphFault : std::uint8_t {
  kNone,
  kTableAsStrided,      // rows are copied as they are, into a buffer that is read with its pitch
  kEagerFallback,       // a narrower step is computed by update, and replay does nothing
  kViewOfSource,        // of a narrower table the caller's own is taken, and the buffer is stale
  kTableOfCapture,      // the table is not copied
  kLengthsOfCapture,    // seq_lens are not copied
  kStartsOfCapture,     // query_start_loc is not copied
  kCausalityOfCapture,  // request_causal is not copied
  kTailNotReset,        // requests that a step has not keep what an earlier one had
  kPhantomRequest,      // the same, of the first of them
  kOneStepLate,         // metadata is that of the step before
  kPaddedRowsWritten,   // rows past the step's are written, as zeros
  kWorkEscapes,         // nothing was recorded
  kLseEscapes,          // nothing that writes the LSE was recorded
  kInputsAtUpdate,      // the query is the one that update met
  kLengthsDrift,        // each replay adds a key to every request
  kBufferMoves,         // every update has another buffer for the table
  kFitByRequests,       // whether a step fits is asked of the number of requests alone
  kOtherScaleAccepted,  // a step with another scale is replayed with the captured one
};

// What is wrong with copy_to_persistent.
enum class CopyFault : std::uint8_t {
  kNone,
  kStridesOfSource,  // elements lie, and the view reads, with the source's strides
  kViewOfSource,     // the view is the source
  kWholeBuffer,      // the view has the buffer's shape
  kTailCleared,      // what lies past the source is set to 0
  kTruncates,        // what does not fit is left out
  kBroadcasts,       // a lower rank is spread over the buffer
  kConverts,         // another integer type is converted
};

// Each is null in the faithful attention. "edits" changes what the faithful one made.
struct Hooks {
  // Call::memory holds what earlier calls left behind; else it is that of a first call. Nothing
  // else outlives a call.
  bool remembers = false;

  // The row: position, length, KV head, table row, query row.
  void (*row)(const Call&, Row& edits) = nullptr;
  void (*terms)(const Call&, const Row&, Terms& edits) = nullptr;
  // Instead of Visible().
  bool (*visible)(const Call&, const Row&, const Terms&, std::int64_t key) = nullptr;
  // Called for each key that is looked at and not visible.
  void (*masked)(const Call&, const Row&, std::int64_t key, std::vector<Scored>& edits) = nullptr;
  std::int64_t (*mask_offset)(const Call&, const Row&, std::int64_t key) = nullptr;
  // Element of the tree mask; `token` counts the request's new ones.
  std::int64_t (*tree_offset)(const Call&, const Row&, std::int64_t token) = nullptr;

  // Memory. `place` is instead of PlaceOf(), `offset` instead of ElementOffset(). What lies outside
  // of a tensor reads as 0.
  Place (*place)(const Call&, const Row&, std::int64_t key, Side) = nullptr;
  std::int64_t (*offset)(const Call&, const Row&, const Place&, Side,
                         std::int64_t column) = nullptr;
  std::int64_t (*query_offset)(const Call&, const Row&, std::int64_t column) = nullptr;
  void (*query)(const Call&, const Row&, std::vector<double>& edits) = nullptr;
  Format (*format)(const Call&, Side, Format) = nullptr;
  double (*kv_scale)(const Call&, const Row&, const Place&, Side, double scale) = nullptr;
  // Of the cache, or of key and value, before its scale.
  double (*element)(const Call&, Side, Format, double value) = nullptr;
  std::int64_t (*score_columns)(const Call&) = nullptr;

  // Scores.
  void (*parts)(const Call&, const Row&, std::int64_t key, ScoreParts& edits) = nullptr;
  // Instead of Compose().
  double (*score)(const Call&, const Row&, const ScoreParts&, double dot) = nullptr;

  // Softmax, and what is written.
  void (*softmax)(const Call&, const Row&, const Terms&, SoftmaxRules& edits) = nullptr;
  void (*finish)(const Call&, const Row&, const std::vector<Scored>&, Answer& edits) = nullptr;
  bool (*writes)(const Call&, const Row&) = nullptr;
  std::int64_t (*out_offset)(const Call&, const Row&, std::int64_t column) = nullptr;
  bool (*writes_lse)(const Call&, const Row&) = nullptr;
  std::int64_t (*lse_offset)(const Call&, const Row&) = nullptr;
  // After all rows.
  void (*after)(const Call&, const Put&) = nullptr;
  // Rows may be written by the work of other rows, so a run in process computes all of them.
  bool whole_call = false;

  // write_kv and merge. A slot < 0 is not written.
  std::int64_t (*slot)(const SlotAsked&) = nullptr;
  void (*write)(WriteRules& edits) = nullptr;
  void (*merge)(MergeRules& edits) = nullptr;

  // Graphs and persistent buffers. `replayed` takes the place of these hooks in what a graph
  // replays; memory.first is then the capture.
  GraphFault graph = GraphFault::kNone;
  const Hooks* replayed = nullptr;
  CopyFault copy = CopyFault::kNone;
  bool of_graphs() const { return graph != GraphFault::kNone || replayed != nullptr; }

  // Behind the ABI only: no arithmetic is wrong.
  bool defaults_unknown_values = false;
  bool refuses_after_yes = false;
  bool claims_softcap_and_refuses_it = false;
  bool ignores_softcap_unclaimed = false;
  bool clears_output_and_refuses_softcap = false;  // unclaimed
  bool accepts_contradictions = false;
  bool changes_lengths = false;

  // Says why a run in process is always faithful; empty where it is not.
  std::string_view no_arithmetic;
};

struct Mutant {
  std::string_view id;
  std::string_view bug_class;  // one of BugClasses()
  std::string_view clause;     // that it breaks; empty for "faithful"
  std::string_view sentence;   // what it computes; a deviation's stands in the spec
  std::string_view reference;  // where it was seen; a deviation's stands in the spec
  std::string_view bug = {};   // the entry of spec/bugs that it is; empty: none
  Hooks hooks;

  bool is_deviation() const { return sentence.empty(); }
};

// The closed list of classes.
const std::vector<std::string_view>& BugClasses();

// "faithful" first, then every mutant once, room by room.
const std::vector<Mutant>& Mutants();
// nullptr: no such id. "" is "faithful".
const Mutant* FindMutant(std::string_view id);

// The rooms of the shelf.
std::vector<Mutant> MaskMutants();
std::vector<Mutant> ShapedMaskMutants();
std::vector<Mutant> WindowMutants();
std::vector<Mutant> HeadMutants();
std::vector<Mutant> PagingMutants();
std::vector<Mutant> LayoutMutants();
std::vector<Mutant> CacheMutants();
std::vector<Mutant> ScoreMutants();
std::vector<Mutant> SoftmaxMutants();
std::vector<Mutant> CallMutants();
std::vector<Mutant> BoundsMutants();
std::vector<Mutant> DraftMutants();
std::vector<Mutant> EdgeMutants();
std::vector<Mutant> GraphMutants();
std::vector<Mutant> PathMutants();
std::vector<Mutant> PrecisionMutants();
std::vector<Mutant> SizeMutants();
std::vector<Mutant> SplitMutants();
std::vector<Mutant> StaleMutants();
std::vector<Mutant> StrideMutants();
std::vector<Mutant> TileMutants();
std::vector<Mutant> WideMutants();

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_MUTANTS_MUTANT_H_
