// SPDX-License-Identifier: Apache-2.0
//
// One query row of one head: which keys it sees, and where their numbers lie.
#ifndef ATTEST_CONFORMANCE_TESTING_PLANTED_ROW_H_
#define ATTEST_CONFORMANCE_TESTING_PLANTED_ROW_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "conformance/testing/planted/errors.h"
#include "spec/abi/attest.h"

namespace attest {

struct Call {
  const attest_problem_t& problem;
  const attest_forward_args_t& args;
  Planted planted;

  bool Has(Planted error) const { return planted == error; }
  bool paged() const { return problem.attention_type != ATTEST_ENCODER_ONLY; }
};

struct Row {
  std::int64_t request = 0;
  std::int64_t start = 0;  // of the request's rows in query
  std::int64_t index = 0;  // of the row within the request
  std::int64_t q_len = 0;
  std::int64_t seq_len = 0;
  std::int64_t head = 0;  // query head
  std::int64_t kv_head = 0;
};

Row MakeRow(const Call& call, std::int64_t request, std::int64_t index, std::int64_t head);

// Does the row see `key`? Keys of other requests have numbers below 0 and from seq_len on.
bool Sees(const Call& call, const Row& row, std::int64_t key);

// Half-open range outside which no key is ever seen and no slot exists in memory.
struct Candidates {
  std::int64_t first = 0;
  std::int64_t last = 0;
};
Candidates CandidatesOf(const Call& call, const Row& row);

enum class Side : std::uint8_t { kKey, kValue };

// Is there a slot for `key`? Always true for 0 <= key < seq_len of a faithful call.
bool InMemory(const Call& call, const Row& row, std::int64_t key);
// The head_dim_qk (or head_dim_v) numbers of `key`, which is in memory.
std::vector<double> Load(const Call& call, const Row& row, std::int64_t key, Side side);
std::vector<double> LoadQuery(const Call& call, const Row& row);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_TESTING_PLANTED_ROW_H_
