// SPDX-License-Identifier: Apache-2.0
//
// What a backend that keeps too much would know of the calls before.
#ifndef ATTEST_CONFORMANCE_MUTANTS_REMEMBER_H_
#define ATTEST_CONFORMANCE_MUTANTS_REMEMBER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <tuple>

#include "conformance/mutants/mutant.h"

namespace attest {

// What can be kept of a call.
EarlierCall Kept(const attest_problem_t& problem, const attest_forward_args_t& args);

// Of one instance of a backend. Calls of one shape (requests, tokens, heads, head sizes) share what
// is kept.
class CallMemories {
 public:
  // As the next call finds it. The first of its shape finds its own scale.
  const Memory& Before(const attest_problem_t& problem);
  // The call that Before was asked about is over.
  void After(const attest_problem_t& problem, const attest_forward_args_t& args);

 private:
  using Shape = std::tuple<std::int64_t, std::int64_t, int, int, int, int>;
  static Shape ShapeOf(const attest_problem_t& problem);

  std::map<Shape, Memory> memories_;
  std::optional<EarlierCall> last_;
  std::uint64_t calls_ = 0;
};

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_MUTANTS_REMEMBER_H_
