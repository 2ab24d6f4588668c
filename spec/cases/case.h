// SPDX-License-Identifier: Apache-2.0
//
// A case is data: one problem, how its tensors are filled, and the clauses it witnesses.
#ifndef ATTEST_SPEC_CASES_CASE_H_
#define ATTEST_SPEC_CASES_CASE_H_

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spec/vocabulary/problem.h"
#include "spec/vocabulary/status.h"

namespace attest {

enum class Tier : std::uint8_t {
  kSmoke,  // <= 2^22 multiply-adds a case, <= 150 cases; never says "conformant"
  kCi,     // <= 2^28 multiply-adds a case
  kFull,   // everything else
};

enum class CaseKind : std::uint8_t {
  kForward,      // one forward call, judged against the oracle
  kRefusal,      // expected only of a backend that does not claim `feature`: a reason, outputs
                 // untouched
  kInvalid,      // the ABI problem is patched into nonsense: INVALID_ARGUMENT with a text, outputs
                 // untouched
  kDeterminism,  // expected only of a backend that claims deterministic: the same call again, bit
                 // for bit: at once, after another call, and in another process
  kWriteKv,      // one write_kv call, byte for byte; expected of a backend that claims it
  kMerge,        // one merge of `parts` partial states; expected of a backend that claims it
  kCascade,      // the keys of problem.shared_prefix and the rest in a forward call each, merged,
                 // against the oracle of the whole problem; expected where merge is claimed
  kNeighbours,   // deterministic: other requests' contents change, lengths do not; same bits
  kBatchInvariance,  // batch-invariant: the same request alone, elsewhere, among other lengths, on
                     // other pages; same bits
  kChunkInvariance,  // chunk-invariant: the same rows of a prefill cut elsewhere; same bits
  kAfterOthers,      // one forward call, judged against the oracle each time: in a process that has
                     // first answered another call, which differs in one thing
  kGraph,  // graph levels: the problem is captured, then each of `steps` is updated, inspected and
           // replayed, and judged against the oracle; in batch-invariant mode also bit for bit
           // against forward
  kCopyToPersistent,  // copy_to_persistent: metadata of `steps` into buffers as large as the
                      // problem's, byte for byte; expected of a backend that claims it
  kServingLoop,  // batch-invariant: requests come, grow and go over `steps` of one process; each
                 // has the bits that it has alone, by forward and, where a graph level is claimed,
                 // by replay
};
inline constexpr std::array kAllCaseKinds = {
    CaseKind::kForward,          CaseKind::kRefusal,     CaseKind::kInvalid,
    CaseKind::kDeterminism,      CaseKind::kWriteKv,     CaseKind::kMerge,
    CaseKind::kCascade,          CaseKind::kNeighbours,  CaseKind::kBatchInvariance,
    CaseKind::kChunkInvariance,  CaseKind::kAfterOthers, CaseKind::kGraph,
    CaseKind::kCopyToPersistent, CaseKind::kServingLoop};
inline constexpr int kMaxMergeParts = 5;

// How q, k and v are filled. What each one can show: conformance/run/inputs.h.
enum class Recipe : std::uint8_t {
  kVCoded,    // flat scores (K = 0), balanced +-1 code in V: the output counts keys exactly
  kKCoded,    // one-hot K and V by key group: the output reads the softmax mass of each group
  kGeneric,   // normal q, k, v; scores of standard deviation about 1
  kPeaked,    // scores spread over +-20: a running maximum and rescaling are needed
  kPositive,  // v > 0, scores share an offset of 200 with the sign of the scale: shows accumulators
              // and score storage that are too narrow
  kStepped,   // scores and values change sign together, octave by octave from the last key: partial
              // states of any split have unlike weights and unlike outputs
  kCancelling,  // normal, and the second half of a text repeats the keys of the first under values
                // of the opposite sign: a row that sees all of it is the rounding of its sums
};

// What lies in memory that must not matter: unused slots, table entries, gaps, padding rows.
enum class Poison : std::uint8_t {
  kLoud,  // large finite values; random but in-range table entries
  kNan,
  kInf,
};

// One step of a case that walks several: what changes from step to step. The rest is the problem's.
struct Step {
  std::string how;  // "fewer requests", for people
  std::vector<Request> requests;
  std::vector<bool> request_causal;  // with Causality::kPerRequest
  std::int64_t padding_tokens = 0;
  std::int64_t block_table_extra = 0;
  std::int64_t max_seq_len_slack = 0;
  std::int64_t max_query_len_slack = 0;
  bool operator==(const Step&) const = default;
};

struct Case {
  std::string id;     // "topic/slug/axis=value,axis=value"; permanent
  std::string topic;  // file it stands in
  std::string slug;
  std::string sentence;
  std::vector<std::string> clauses;   // ids; at least one
  std::vector<std::string> profiles;  // derived from the clauses; "core" never stands here
  Tier tier = Tier::kCi;
  std::string origin;  // "design" or "model:<id>" or "batch:<id>"
  CaseKind kind = CaseKind::kForward;
  Recipe recipe = Recipe::kVCoded;
  Poison poison = Poison::kLoud;
  std::uint64_t feature = 0;                      // kRefusal: the ATTEST_CLAIM_ bit
  std::map<std::string, std::int64_t> abi_patch;  // kInvalid: attest_problem_t field -> value
  int parts = 0;                                  // kMerge: partial states, 1..5; otherwise 0
  std::vector<Step> steps;                        // of the kinds that walk; otherwise none
  Problem problem;

  // SHA-256 (hex) of everything above that decides inputs and expectation: kind, recipe, poison,
  // feature, abi_patch, parts, steps, problem. A record carries it, so that a changed case is seen.
  std::string content_hash;
};

// A point of a case's axes that was not made a case.
struct DroppedPoint {
  std::string id;      // the id it would have had
  std::string rule;    // named constraint: "group-divides-heads", "waits-for", ...
  std::string reason;  // the rule's sentence with this point's values
};

struct CaseSet {
  std::vector<Case> cases;  // in file and axis order
  std::vector<DroppedPoint> dropped;
  std::string digest;  // SHA-256 over all ids and content hashes, in order
};

// Expands everything that was embedded from spec/cases and spec/models. Deterministic.
Result<CaseSet> LoadCases();

// The case with this id, or a message with the nearest ids.
Result<Case> FindCase(const CaseSet& set, std::string_view id);

// What the kind of a case asks of its other fields: a refusal, and nothing else, has a feature; an
// invalid case abi fields; a merge 1 to 5 parts; a cascade a shared prefix that all its rows stand
// behind, and a plain mask; neighbours two requests; batch invariance its flag; chunk invariance a
// causal decoder without ranges or masks; a graph, a copy to persistent and a serving loop have
// steps, none of them larger than the problem, and no prefix ranges. The first contradiction,
// beginning with the field.
Status ValidateKind(const Case& value);

// Does this kind walk through Case::steps?
bool HasSteps(CaseKind kind);
// `problem` with what `step` says.
Problem ProblemOf(const Problem& problem, const Step& step);
// Multiply-adds of the problem's one call, or of one call for each step.
double MultiplyAddsOf(const Case& value);
// The least graph level, an ATTEST_GRAPH_ number, that takes all steps.
int GraphLevelOf(const Case& value);

// Fills case.content_hash.
std::string ContentHash(const Case& value);

std::string_view Name(Tier value);      // "smoke" "ci" "full"
std::string_view Name(CaseKind value);  // "forward" "refusal" "invalid" "determinism" "write-kv"
                                        // "merge" "cascade" "neighbours" "batch-invariance"
                                        // "chunk-invariance" "after-others" "graph"
                                        // "copy-to-persistent" "serving-loop"
std::string_view Name(Recipe value);    // "v-coded" "k-coded" "generic" "peaked" "positive"
                                        // "stepped" "cancelling"
std::string_view Name(Poison value);    // "loud" "nan" "inf"
std::optional<Tier> ParseTier(std::string_view name);

}  // namespace attest

#endif  // ATTEST_SPEC_CASES_CASE_H_
