// SPDX-License-Identifier: Apache-2.0
//
// The memory of a case that walks: one image in which every step's tensors lie where those of the
// maximum do, as a caller holds them from the capture of a graph to its end.
#ifndef ATTEST_CONFORMANCE_RUN_INPUTS_ARENA_H_
#define ATTEST_CONFORMANCE_RUN_INPUTS_ARENA_H_

#include <cstdint>

#include "conformance/run/inputs.h"
#include "spec/cases/case.h"
#include "spec/vocabulary/status.h"

namespace attest {

// The call of one step. `value` is a forward case of the step's problem, with the id of the case.
struct StepInputs {
  Case value;
  CaseInputs inputs;
};

class Arena {
 public:
  // As large as the problem of `value`, and a few tokens larger. Bad input: as BuildInputs.
  static Result<Arena> Build(const Case& value, std::uint64_t seed);

  // The call of the maximum. Its tensors end where the problem says.
  const CaseInputs& maximum() const { return maximum_; }
  // Rows of query and out that lie in memory behind those of the maximum.
  static constexpr std::int64_t kSpareTokens = 4;

  // Puts `problem` into the arena, with contents and pages of `seed`. What the step does not reach
  // (rows, table entries, requests, pages) keeps what earlier steps left there; outputs hold the
  // never-written pattern. Strides and addresses are those of the maximum, but for the table, whose
  // rows stand as far apart as the problem says. Bad input: it does not fit.
  Result<StepInputs> Put(const Problem& problem, std::uint64_t seed);

  // Fills the outputs with the never-written pattern, rows past the step's and gaps included.
  void Poison(CallImage& image) const;

 private:
  explicit Arena(Case value) : value_(std::move(value)) {}

  Case value_;
  CaseInputs maximum_;
  CallImage whole_;  // with all spare tokens; its bytes are those of the last step
};

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_INPUTS_ARENA_H_
