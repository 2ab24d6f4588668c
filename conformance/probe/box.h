// SPDX-License-Identifier: Apache-2.0
//
// A backend as a black box: tensors of the prober's choosing go in, outputs come out. The box knows
// where each key lies in memory, in any layout, so that a probe thinks in places and not in
// strides.
#ifndef ATTEST_CONFORMANCE_PROBE_BOX_H_
#define ATTEST_CONFORMANCE_PROBE_BOX_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "conformance/run/inputs.h"
#include "conformance/run/session.h"
#include "spec/vocabulary/mask.h"
#include "spec/vocabulary/problem.h"
#include "spec/vocabulary/status.h"

namespace attest {

// One forward call; on kAnswered with ATTEST_OK `image` holds what the backend left behind.
using ForwardFn = std::function<CallResult(const attest_problem_t& problem, double multiply_adds,
                                           CallImage& image)>;
// `session` outlives it.
ForwardFn ForwardOf(Session& session);

// One output row of one query head.
struct ProbeRow {
  int request = 0;
  std::int64_t row = 0;
  int head = 0;
  bool operator==(const ProbeRow&) const = default;
};
// Rows of all requests and heads, heads fastest.
std::vector<ProbeRow> AllProbeRows(const Problem& problem);

// Where a key and its value can stand: a slot of the cache, or a token of the step that the cache
// does not hold. A token that the cache holds is not a place of its own: it always says the same as
// its slot, since a backend may read either.
struct Place {
  std::int64_t page = -1;  // -1: a token of the step
  std::int64_t slot = 0;   // in the page
  std::int64_t token = -1;
};

// What the backend wrote.
class Answers {
 public:
  explicit Answers(CallImage image);
  Answers(Answers&&) = default;  // the views follow the bytes
  Answers& operator=(Answers&&) = default;
  Answers(const Answers&) = delete;
  Answers& operator=(const Answers&) = delete;
  ~Answers() = default;

  double Out(std::int64_t token, int head, int dim) const;
  bool has_lse() const { return lse_.present(); }
  double Lse(std::int64_t token, int head) const;  // NaN where there is none
  const CallImage& image() const { return image_; }

 private:
  CallImage image_;
  TensorView out_;
  TensorView lse_;
};

class Box {
 public:
  // Pages, tables and lengths are those that a case of this problem without windows and local
  // blocks gets, so that each page has a place of its own. Bad input: the problem contradicts
  // itself.
  static Result<Box> Make(const Problem& problem, ForwardFn forward);

  const Problem& problem() const { return problem_; }
  const std::vector<Place>& places() const { return places_; }
  int calls() const { return calls_; }
  // What the next call gets.
  const CaseInputs& inputs() const { return now_; }
  // What a v-coded case of this problem gets.
  const CallImage& pristine() const { return pristine_; }

  std::int64_t TokenOf(const ProbeRow& row) const;
  // Place of logical key `key` of `request`; -1 where the table names no page of its own for it.
  std::int64_t PlaceOf(std::size_t request, std::int64_t key) const;
  // The logical key of `request` that stands at `place`; -1: none of its keys.
  std::int64_t KeyAt(std::size_t request, std::int64_t place) const;
  // Keys that `request` has pages for: seq_len, rounded up to whole pages.
  std::int64_t KeysOf(std::size_t request) const;
  // "page 7, slot 3: key 35 of request 1", "page 0, slot 3", "token 5 of the step".
  std::string Describe(std::int64_t place) const;
  // What the problem gives a head; 0 where it gives none.
  double SinkOf(int head) const;
  double SlopeOf(int head) const;
  // What the spec says `row` sees, masks from tensors included; ascending.
  std::vector<KeyRange> SpecKeys(const ProbeRow& row) const;

  // As a v-coded case of this problem, without what bends scores: query 0, sinks without weight,
  // slopes 0, finite additive masks 0.
  void Reset();
  // Reset, and query, key and value 0, scales of the cache 1.
  void Flatten();
  void SetQuery(std::int64_t token, int head, int dim, double value);
  void SetKey(std::int64_t place, int kv_head, int dim, double value);
  void SetValue(std::int64_t place, int kv_head, int dim, double value);
  // What the stored value stands for: times its scale.
  double Value(std::int64_t place, int kv_head, int dim) const;
  // As a case has it: sinks or slopes that a probe wants to read.
  void Restore(const std::string& tensor);

  // One call. An error says what the backend answered instead.
  Result<Answers> Call();

 private:
  struct Access {
    std::uint64_t offset = 0;
    std::vector<std::int64_t> strides;
    DType dtype = DType::kNone;
  };
  Box(Problem problem, ForwardFn forward, CaseInputs inputs);
  Access AccessOf(const char* name) const;
  void ListPlaces();
  void MapPages();
  void FillZero(const char* name);
  std::int64_t CacheIndex(bool key, const Place& at, int kv_head, int dim) const;
  double Load(const Access& access, std::int64_t index) const;
  void Store(const Access& access, std::int64_t index, double value);
  void StoreAt(bool key, std::int64_t place, int kv_head, int dim, double value);

  Problem problem_;
  ForwardFn forward_;
  CaseInputs now_;
  CallImage pristine_;
  Access cache_[2];  // keys, values
  Access step_[2];
  Access query_;
  Access value_scale_;
  std::vector<Place> places_;
  std::vector<std::vector<std::int64_t>> mirrors_;  // of each place: tokens that say the same
  std::vector<std::int64_t> starts_;                // query_start_loc
  std::vector<std::vector<std::int64_t>> pages_;    // of each request, by logical page; -1: none
  std::vector<std::vector<std::int64_t>> logical_;  // its inverse, by page
  int calls_ = 0;
};

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_PROBE_BOX_H_
